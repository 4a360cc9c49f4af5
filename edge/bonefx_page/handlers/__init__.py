"""One function for each route of `routes.py`."""
