"""Diff: what changed between two result files."""
