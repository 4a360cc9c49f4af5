"""Slow down whoever guesses passwords."""

import threading
import time
from collections.abc import Callable
from typing import Final

FREE_TRIES: Final = 5
"""Wrong passwords for one name before the first pause."""
MAX_PAUSE_S: Final = 60.0
"""Longest pause: a stranger must not keep a doctor out for long."""
MAX_NAMES: Final = 1000
"""Names that are kept; made-up ones must not fill the memory."""
ALL_PER_S: Final = 2.0
"""Tries for all names together, on average: each costs the processor a tenth of a second."""
ALL_AT_ONCE: Final = 20.0


class Throttle:
    """Counts wrong passwords by name, and tries of all. In memory: a restart forgets them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: dict[tuple[str, bool], tuple[int, float]] = {}
        """Name, and whether by a known browser: wrong passwords in a row, and how long it waits."""
        self._credit, self._credit_at = ALL_AT_ONCE, clock()

    def wait_s(self, name: str, *, is_known: bool = False) -> float:
        """Return how long a try for this name must wait, 0 if it may be made; counts it.

        A browser in which this person has signed in before is known: its tries are counted apart,
        so that no stranger can keep the person out (OWASP, device cookies).
        """
        with self._lock:
            now = self._clock()
            waits = self._wrong.get((name, is_known), (0, 0.0))[1] - now
            if waits > 0 or is_known:
                return max(0.0, waits)
            credit = self._credit + (now - self._credit_at) * ALL_PER_S
            self._credit, self._credit_at = min(ALL_AT_ONCE, credit), now
            if self._credit < 1:
                return (1 - self._credit) / ALL_PER_S
            self._credit -= 1
            return 0.0

    def wrong(self, name: str, *, is_known: bool = False) -> None:
        """Count a wrong password."""
        with self._lock:
            n = self._wrong.pop((name, is_known), (0, 0.0))[0] + 1
            pause = min(MAX_PAUSE_S, 2.0 ** (n - FREE_TRIES)) if n >= FREE_TRIES else 0.0
            self._wrong[name, is_known] = (n, self._clock() + pause)
            if len(self._wrong) > MAX_NAMES:
                del self._wrong[next(iter(self._wrong))]

    def right(self, name: str, *, is_known: bool = False) -> None:
        """Forget the wrong passwords of a name."""
        with self._lock:
            self._wrong.pop((name, is_known), None)
