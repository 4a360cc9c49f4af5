"""Find the files in the watched folder, wait until they are complete, and hash them."""
