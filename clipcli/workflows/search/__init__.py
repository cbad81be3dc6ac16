"""Search: pictures ranked by a sentence or another picture."""
