"""Locating: pictures and phrases in, boxes out."""
