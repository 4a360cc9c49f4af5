"""Ages do not jump with the wall clock."""

import pytest
from bonefx_edge.watch.clock_steps import ClockStep, ClockSteps, age_s

DAYS_400 = 400 * 86_400.0


class Clocks:
    """A monotonic clock and a wall clock that can be set."""

    def __init__(self):
        self.now, self.offset = 100.0, 1e9

    def clock(self):
        return self.now

    def wall(self):
        return self.now + self.offset


@pytest.mark.parametrize("step_s", [DAYS_400, -DAYS_400, 10.0])
def test_the_age_of_what_was_before_a_step_is_what_passed(step_s):
    clocks = Clocks()
    steps = ClockSteps(clock=clocks.clock, wall=clocks.wall)
    since = clocks.wall()
    clocks.now += 5.0
    clocks.offset += step_s
    clocks.now += 7.0
    assert steps.age_s(since) == pytest.approx(12.0)


def test_there_and_back(caplog):
    clocks = Clocks()
    steps = ClockSteps(clock=clocks.clock, wall=clocks.wall)
    since = clocks.wall()
    for step_s in (DAYS_400, -DAYS_400):
        clocks.now += 5.0
        clocks.offset += step_s
        steps.observe()
    clocks.now += 1.0
    assert steps.age_s(since) <= 11.0  # what the clock showed twice counts as the later one
    assert steps.age_s(clocks.wall() - 0.5) == pytest.approx(0.5)
    assert caplog.text.count("the clock was set by") == 2


def test_slow_corrections_are_no_steps():
    clocks = Clocks()
    steps = ClockSteps(clock=clocks.clock, wall=clocks.wall)
    for _ in range(100):
        clocks.now, clocks.offset = clocks.now + 1.0, clocks.offset + 0.5
        steps.observe()
    assert steps.found == ()


def test_a_time_after_a_step_is_not_corrected():
    assert age_s([ClockStep(100.0, 1000.0)], 1001.0, now=1011.0) == 10.0
    assert age_s([], 5.0, now=4.0) == 0.0
