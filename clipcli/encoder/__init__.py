"""A model that runs: numpy arrays in, numpy arrays out."""
