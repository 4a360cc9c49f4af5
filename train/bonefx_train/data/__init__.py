"""Images on disk, labels, groups, splits."""
