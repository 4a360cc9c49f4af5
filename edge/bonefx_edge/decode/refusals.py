"""Refuse a damaged file: what is wrong in plain words, the details, what to do."""

from typing import NoReturn

from bonefx_edge.errors import DecodeError, Reason


def refuse_truncated(expected: str) -> NoReturn:
    """Raise TRUNCATED; `expected` is what the file ends before, and contains no value of it."""
    msg = f"The end of the file is missing (expected {expected}). Send the file again."
    raise DecodeError(Reason.TRUNCATED, msg)


def refuse_corrupt(expected: str) -> NoReturn:
    """Raise CORRUPT; `expected` is what the file lacks, and what it has instead."""
    msg = f"The file is damaged (expected {expected}). Send the file again."
    raise DecodeError(Reason.CORRUPT, msg)
