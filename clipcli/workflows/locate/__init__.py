"""Locating: boxes around the things that words name."""
