"""When a failed job or message is retried."""

from typing import Final

FIRST_RETRY_S: Final = 2.0
MAX_RETRY_S: Final = 300.0
"""So that everything continues at most five minutes after a disk or share is back."""


def pause_before_retry(*, attempts: int, first_s: float = FIRST_RETRY_S) -> float:
    """Return the seconds to wait after so many attempts: doubling, up to `MAX_RETRY_S`."""
    return min(MAX_RETRY_S, first_s * 2.0 ** min(max(attempts - 1, 0), 20))
