"""Pure steps between a radiograph and its state, and their settings."""
