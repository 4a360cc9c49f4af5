"""The SQLite database of images and their states."""
