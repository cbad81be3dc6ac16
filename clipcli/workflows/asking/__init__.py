"""Asking and describing: questions and sentences made of labels that were scored."""
