"""A progress bar on standard error, where that is a terminal."""

import sys
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

BAR_WIDTH: Final = 30
"""Characters."""


def track(items: Sequence[T], *, label: str, show: bool = True) -> Iterator[T]:
    """Yield the items one by one and draw how many are done, if stderr is a terminal."""
    visible = show and sys.stderr.isatty()
    step = max(1, len(items) // 100)
    for done, item in enumerate(items, 1):
        yield item
        if visible and (done % step == 0 or done == len(items)):
            filled = BAR_WIDTH * done // len(items)
            bar = "#" * filled + "-" * (BAR_WIDTH - filled)
            sys.stderr.write(f"\r{label} [{bar}] {done}/{len(items)}")
            sys.stderr.flush()
    if visible and items:
        sys.stderr.write("\n")
