"""Measurements of the device software on a board, one script per question."""
