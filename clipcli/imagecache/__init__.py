"""This package knows about pictures' vectors on disk: whose they are, and when they still hold."""
