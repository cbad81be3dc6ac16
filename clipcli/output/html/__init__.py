"""Pages for a browser: one file each, no network, the same style."""
