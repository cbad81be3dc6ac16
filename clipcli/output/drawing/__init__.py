"""Pictures with something drawn on them: heat, boxes."""
