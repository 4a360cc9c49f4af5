"""Watch a folder: every film that arrives gets exactly one current result (docs/operating.md)."""
