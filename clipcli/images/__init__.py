"""This package knows about pictures: finding them, decoding them, and making them model-sized."""
