"""The checks of `edge-admin doctor`."""
