"""Putting pictures into folders by their labels, and putting everything back."""
