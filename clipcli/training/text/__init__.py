"""Text towers learned from a teacher's vectors."""
