"""Training on several processes or devices."""
