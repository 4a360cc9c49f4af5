"""Steps of the wall clock while the service runs: ages do not jump with them.

A device without a clock of its own starts with a wrong time, until NTP answers. Times in results
and journal are those of the wall clock; how long ago something was is measured without its steps.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

logger = logging.getLogger(__name__)

MIN_STEP_S: Final = 2.0
"""A smaller difference between wall clock and monotonic clock makes no step: NTP slews."""


class ClockStep(NamedTuple):
    """One step; seconds since 1970."""

    before: float
    """What the wall clock would have shown without it."""
    after: float
    """What it showed instead."""


class ClockSteps:
    """Notices steps; `observe` is called in each step of the main loop."""

    def __init__(self, *, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        """Store the clocks: monotonic seconds, and seconds since 1970."""
        self._clock, self._wall = clock, wall
        self._offset = wall() - clock()
        self.found: tuple[ClockStep, ...] = ()

    def observe(self) -> None:
        """Record a step since the last call."""
        wall = self._wall()
        offset = wall - self._clock()
        step_s = offset - self._offset
        self._offset = offset
        if abs(step_s) >= MIN_STEP_S:
            logger.warning("the clock was set by %+.0f s", step_s)
            self.found = (*self.found, ClockStep(wall - step_s, wall))

    def age_s(self, since: float) -> float:
        """Return the seconds since a time of the wall clock."""
        self.observe()
        return age_s(self.found, since, now=self._wall())


def age_s(steps: Sequence[ClockStep], since: float, *, now: float) -> float:
    """Return the seconds from `since` to `now`, both by the wall clock, without its steps, >= 0.

    After a step back, a time that the clock showed twice counts as the later one.
    """
    age = 0.0
    for step in reversed(steps):
        if step.after <= since <= now:
            break
        age, now = age + now - step.after, step.before
    return age + max(0.0, now - since)
