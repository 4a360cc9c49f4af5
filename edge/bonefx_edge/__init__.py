"""Classify bone radiographs on a device without GPU or internet: decision aid, not a diagnosis."""

from typing import Final

__version__ = "0.5.0"

NOTICE: Final = (
    "Decision aid for research, not a diagnosis, not a medical device: a qualified person reads "
    "every radiograph."
)
"""Goes into every result and every report."""
