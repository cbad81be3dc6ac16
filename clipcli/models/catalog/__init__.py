"""The catalogue of published CLIP models."""
