"""Linear classifiers on image vectors: which pictures to fit on, and the fit."""
