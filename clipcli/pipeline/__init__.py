"""Paths and labels in, vectors and ranked results out."""
