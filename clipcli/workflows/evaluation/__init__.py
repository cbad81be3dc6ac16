"""How good a classifier is on pictures whose labels are known."""
