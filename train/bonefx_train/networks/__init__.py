"""Architectures and their first weights."""
