"""What is worth a second look in a data set: labels, duplicates, odd and broken pictures."""
