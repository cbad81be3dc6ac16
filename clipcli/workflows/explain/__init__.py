"""Explaining: where in a picture a label is seen, and which words say so."""
