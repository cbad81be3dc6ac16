"""The text tower in numpy, for label encoding without torch."""
