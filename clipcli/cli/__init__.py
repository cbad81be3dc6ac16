"""One module per command: options in, one call, one render."""
