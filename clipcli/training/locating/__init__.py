"""Training models that locate: boxes and words in, a model folder out."""
