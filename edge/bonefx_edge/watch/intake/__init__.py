"""Which files are there, whether they are complete, and what is in them."""
