"""The version, and nothing else, so that builds can read it."""

__version__ = "0.1.0"
