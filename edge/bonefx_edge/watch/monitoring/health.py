"""Is the service alive, is it ready: what the health port answers, and why.

Alive means that the loop turns. Ready means that a film that came now would get an answer.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.watch.journal.admin import Status
from bonefx_edge.watch.workers.canary import EVERY_S

TURN_LIMIT_S: Final = 60.0
"""Without a turn, which takes a second: the loop hangs. As WatchdogSec of the unit."""
WAIT_LIMIT_S: Final = 600.0
"""A film has waited so long, and no result came meanwhile: the queue does not move. A backlog that
moves may be older. Longer than the longest pause between two tries."""
CANARY_LIMIT_S: Final = 3.0 * EVERY_S
"""Without a right answer to the canary film."""


class Pause(StrEnum):
    """Why nothing is taken just now."""

    NONE = ""
    DISK_LOW = "disk_low"
    """Less free than the watermark."""
    TROUBLE = "trouble"
    """Results or journal could not be written."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the service stands, as it last said itself; times in monotonic seconds."""

    turned: float
    """End of the last turn."""
    folder_is_there: bool
    workers_ready: int
    """Processes that have loaded the model."""
    pause: Pause
    canary_is_sound: bool
    canary_answered: float | None
    """Last right answer; None before the first."""
    decided: int
    """Results since the service began."""
    refused: int
    """Of these."""


def check_alive(vitals: Vitals, *, now: float) -> Check:
    """Return whether the loop turns; `now` in monotonic seconds."""
    age = now - vitals.turned
    if age > TURN_LIMIT_S:
        remedy = "look whether a share hangs; restart the service"
        return Check("loop", CheckStatus.FAIL, f"last turn {age:.0f} s ago", remedy)
    return Check("loop", CheckStatus.OK, "turns")


def check_ready(vitals: Vitals, journal: Status | str, *, now: float, wall: float) -> list[Check]:
    """Return every check; the service is ready if none failed.

    Parameters
    ----------
    journal
        Its status, or in a word why it cannot be read.
    now, wall
        Monotonic seconds; seconds since 1970.
    """
    return [*_own_checks(vitals, now=now), *_journal(journal, wall=wall)]


def status_line(vitals: Vitals) -> str:
    """Return how it stands in one line for the service manager."""
    counts = f"{vitals.decided} results, {vitals.refused} of them refused"
    checks = _own_checks(vitals, now=vitals.turned)
    wrong = [f"{check.name} {check.found}" for check in checks if check.status is CheckStatus.FAIL]
    return "; ".join([*wrong, counts])


def _own_checks(vitals: Vitals, *, now: float) -> list[Check]:
    return [
        check_alive(vitals, now=now),
        _folder(vitals),
        _worker(vitals),
        _results(vitals),
        _canary(vitals, now=now),
    ]


def _folder(vitals: Vitals) -> Check:
    if vitals.folder_is_there:
        return Check("folder", CheckStatus.OK, "is there")
    return Check("folder", CheckStatus.FAIL, "is not there", "mount or make the watched folder")


def _worker(vitals: Vitals) -> Check:
    if vitals.workers_ready:
        return Check("workers", CheckStatus.OK, f"{vitals.workers_ready} ready")
    return Check("workers", CheckStatus.FAIL, "none ready", "see the log; run edge-admin doctor")


def _results(vitals: Vitals) -> Check:
    if vitals.pause is Pause.NONE:
        return Check("results", CheckStatus.OK, "are written")
    remedy = "free the disk of results and journal, check that it can be written"
    return Check("results", CheckStatus.FAIL, f"nothing is taken: {vitals.pause}", remedy)


def _canary(vitals: Vitals, *, now: float) -> Check:
    if not vitals.canary_is_sound:
        remedy = "see the log; restart the device, install bonefx and the model anew"
        return Check("canary", CheckStatus.FAIL, "answered wrongly: no film is classified", remedy)
    if vitals.canary_answered is None:
        return Check("canary", CheckStatus.FAIL, "has not been answered yet", "wait; see the log")
    age = now - vitals.canary_answered
    if age > CANARY_LIMIT_S:
        remedy = "a film takes very long, or memory is short: see the log"
        return Check("canary", CheckStatus.FAIL, f"last answered {age:.0f} s ago", remedy)
    return Check("canary", CheckStatus.OK, f"answered rightly {age:.0f} s ago")


def _journal(journal: Status | str, *, wall: float) -> list[Check]:
    if isinstance(journal, str):
        remedy = "see the log; docs/operating.md says how to rebuild it"
        return [Check("journal", CheckStatus.FAIL, f"cannot be read: {journal}", remedy)]
    readable = Check("journal", CheckStatus.OK, "can be read")
    return [readable, _queue(journal, wall=wall), _messages(journal)]


def _queue(status: Status, *, wall: float) -> Check:
    oldest, last = status.oldest_untried_s, status.last_result
    remedy = "run edge-admin status: it says what films wait for"
    found = "is empty" if oldest is None else f"oldest film waits for {oldest:.0f} s"
    moves = last is not None and wall - last <= WAIT_LIMIT_S
    if oldest is not None and oldest > WAIT_LIMIT_S and not moves:
        return Check("queue", CheckStatus.FAIL, f"{found}, no result meanwhile", remedy)
    if status.failures:
        waiting = ", ".join(f"{n} for {code}" for code, n in status.failures.items())
        return Check("queue", CheckStatus.WARN, f"{found}; tried again: {waiting}", remedy)
    return Check("queue", CheckStatus.OK, found)


def _messages(status: Status) -> Check:
    if status.oldest_untold_s is None:
        return Check("messages", CheckStatus.OK, "all taken")
    found = f"{status.untold} not taken, the oldest for {status.oldest_untold_s:.0f} s"
    if status.oldest_untold_s > WAIT_LIMIT_S:
        remedy = "see who should take them: --on-result, --webhook"
        return Check("messages", CheckStatus.FAIL, found, remedy)
    return Check("messages", CheckStatus.OK, found)
