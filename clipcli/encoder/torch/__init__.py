"""The network: CLIP from scratch, reading its weights and running it. Imports torch."""
