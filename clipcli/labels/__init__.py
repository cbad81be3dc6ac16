"""Label sets, prompts and templates."""
