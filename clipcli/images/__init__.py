"""Pictures: finding them, decoding them, and making them model-sized."""
