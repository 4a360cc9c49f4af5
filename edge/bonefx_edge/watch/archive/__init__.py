"""Moves originals away after a result."""
