"""Evaluation studies: one question about a model each, run as `python -m`."""
