"""What people do with results and vectors, one folder each."""
