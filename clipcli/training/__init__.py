"""Training: pairs in, a model folder out. Imports torch; only ``clipcli train`` imports this."""
