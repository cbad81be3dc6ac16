"""Results and vectors, written for people and for programs."""
