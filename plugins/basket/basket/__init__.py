"""Products bought together."""
