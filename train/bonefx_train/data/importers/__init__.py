"""Public sets of radiographs, as their authors publish them, to a manifest CSV."""
