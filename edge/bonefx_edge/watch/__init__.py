"""Watch a folder: every image that arrives gets exactly one current result (docs/operating.md)."""
