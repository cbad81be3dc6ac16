"""Networks that find boxes by words."""
