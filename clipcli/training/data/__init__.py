"""Training pairs: reading, packing, drawing and augmenting them."""
