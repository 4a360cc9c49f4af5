"""Fits a network."""
