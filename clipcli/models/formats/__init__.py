"""Foreign layouts: what other libraries call their tensors, and where they say what they are."""
