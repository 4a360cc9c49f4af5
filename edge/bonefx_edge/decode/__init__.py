"""Bytes of a file to a radiograph: one module per file format."""
