"""A model on disk, and where to get one."""
