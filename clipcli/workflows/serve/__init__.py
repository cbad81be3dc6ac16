"""Serving: the same answers over HTTP, for other programs."""
