"""Text to token ids, for CLIP and SigLIP."""
