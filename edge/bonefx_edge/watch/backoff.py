"""When a failed image is tried again."""

from typing import Final

FIRST_RETRY_S: Final = 2.0


LONGEST_RETRY_S: Final = 300.0
"""Five minutes after the disk or the share is back, everything that waited for it moves again."""


def pause_before_retry(*, attempts: int, first_s: float = FIRST_RETRY_S) -> float:
    """Return the seconds to wait after so many attempts: doubling, up to `LONGEST_RETRY_S`."""
    return min(LONGEST_RETRY_S, first_s * 2.0 ** min(max(attempts - 1, 0), 20))
