"""Pictures' vectors on disk: whose they are, and when they still hold."""
