"""Models that find boxes by words: what their files hold."""
