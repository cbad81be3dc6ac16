"""Runs over millions of pictures: a plan of shards, a part file for each, whoever does the work."""
