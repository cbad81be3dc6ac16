"""The journal: changes to users' files, written down before they are made, so that undo works."""
