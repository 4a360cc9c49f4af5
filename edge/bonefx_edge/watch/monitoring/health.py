"""Liveness and readiness checks.

Live: the main loop runs. Ready: a new image would be classified.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.watch.clock_steps import ClockStep, age_s
from bonefx_edge.watch.journal.admin import Status
from bonefx_edge.watch.journal.drift import describe
from bonefx_edge.watch.workers.canary import CANARY_INTERVAL_S

LOOP_LIMIT_S: Final = 60.0
"""Without a step of the main loop, which takes a second: the loop hangs. As WatchdogSec."""
FOLDER_LIMIT_S: Final = 30.0
"""For one answer of the watched folder: longer than a share takes that wakes its disks."""
QUEUE_LIMIT_S: Final = 600.0
"""Age of the oldest image while there is no new result: the queue is stuck. A queue that moves may
be older. Longer than the longest pause between two attempts."""
_MOUNT: Final = "mount its disk; if it is another disk on purpose, run edge-admin adopt-folders"
CANARY_LIMIT_S: Final = 3.0 * CANARY_INTERVAL_S
"""Without a passed self-test."""


class Pause(StrEnum):
    """Why no image is classified at the moment."""

    NONE = ""
    DISK_LOW = "disk_low"
    """Less free space than the watermark."""
    STORAGE_ERROR = "storage_error"
    """Results or journal could not be written."""
    FOLDER_AWAY = "folder_away"
    """The folder of results or journal is not mounted, or another one is in its place."""
    JOURNAL_HELD = "journal_held"
    """The journal failed, and a part of the service that hangs keeps it from being opened again."""


@dataclass(frozen=True, slots=True)
class ServiceSnapshot:
    """State of the service after a step; times in monotonic seconds."""

    last_step: float
    """End of the last step of the main loop."""
    folder_exists: bool
    folder_answered: float
    """Last answer of the watched folder's file system."""
    workers_ready: int
    """Processes that have loaded the model."""
    pause: Pause
    canary_is_healthy: bool
    canary_last_passed: float | None
    """Last passed self-test; None before the first."""
    classified: int
    """Results since the start."""
    refused: int
    """Of these."""
    clock_steps: tuple[ClockStep, ...] = ()
    """Steps of the wall clock since the start."""
    picture_failure: str = ""
    """Why the last film has no pictures; "" if it has, or none are asked for."""
    away: str = ""
    """Which folder is waited for, results or journal; which parts, if they hold the journal."""
    archives_away: tuple[str, ...] = ()
    """The archives that are waited for."""


def check_alive(snapshot: ServiceSnapshot, *, now: float) -> Check:
    """Return whether the main loop runs; `now` in monotonic seconds."""
    age = now - snapshot.last_step
    if age > LOOP_LIMIT_S:
        remedy = "restart the service"
        return Check("loop", CheckStatus.FAIL, f"last step {age:.0f} s ago", remedy)
    return Check("loop", CheckStatus.OK, "running")


def check_ready(
    snapshot: ServiceSnapshot, journal: Status | str, *, now: float, wall: float
) -> list[Check]:
    """Return all checks; the service is ready if none failed.

    Parameters
    ----------
    journal
        Its status, or the name of the error if it cannot be read.
    now, wall
        Monotonic seconds; seconds since 1970.
    """
    return [*_service_checks(snapshot, now=now), *_journal_checks(journal, snapshot, wall=wall)]


def status_line(snapshot: ServiceSnapshot) -> str:
    """Return the failed checks and the counts in one line, for the service manager."""
    counts = f"{snapshot.classified} results, {snapshot.refused} of them refused"
    checks = _service_checks(snapshot, now=snapshot.last_step)
    failed = [f"{check.name} {check.found}" for check in checks if check.status is CheckStatus.FAIL]
    return "; ".join([*failed, counts])


def _service_checks(snapshot: ServiceSnapshot, *, now: float) -> list[Check]:
    return [
        check_alive(snapshot, now=now),
        _folder(snapshot, now=now),
        _workers(snapshot),
        _results(snapshot),
        _archives(snapshot),
        _canary(snapshot, now=now),
        *_pictures(snapshot),
    ]


def _folder(snapshot: ServiceSnapshot, *, now: float) -> Check:
    age = now - snapshot.folder_answered
    if age > FOLDER_LIMIT_S:
        remedy = "check the network share and its server"
        return Check("folder", CheckStatus.FAIL, f"has not answered for {age:.0f} s", remedy)
    if snapshot.folder_exists:
        return Check("folder", CheckStatus.OK, "exists")
    return Check("folder", CheckStatus.FAIL, "does not exist", "mount or create the watched folder")


def _workers(snapshot: ServiceSnapshot) -> Check:
    if snapshot.workers_ready:
        return Check("workers", CheckStatus.OK, f"{snapshot.workers_ready} ready")
    return Check("workers", CheckStatus.FAIL, "none ready", "see the log; run edge-admin doctor")


def _results(snapshot: ServiceSnapshot) -> Check:
    if snapshot.pause is Pause.NONE:
        return Check("results", CheckStatus.OK, "can be written")
    if snapshot.pause is Pause.FOLDER_AWAY:
        found = f"waiting for the folder of the {snapshot.away}"
        return Check("results", CheckStatus.FAIL, found, f"{_MOUNT}; see the log")
    if snapshot.pause is Pause.JOURNAL_HELD:
        found = f"the journal cannot be opened again while in use by {snapshot.away}"
        remedy = "check the disk or share that does not answer; after 2 minutes the service ends"
        return Check("results", CheckStatus.FAIL, found, remedy)
    remedy = "free space on the disk of results and journal; check that it is writable"
    return Check("results", CheckStatus.FAIL, f"paused: {snapshot.pause}", remedy)


def _archives(snapshot: ServiceSnapshot) -> Check:
    if not snapshot.archives_away:
        return Check("archive", CheckStatus.OK, "nothing is waited for")
    found = f"waiting for the folder of the {', '.join(snapshot.archives_away)}"
    return Check("archive", CheckStatus.WARN, found, _MOUNT)


def _canary(snapshot: ServiceSnapshot, *, now: float) -> Check:
    if not snapshot.canary_is_healthy:
        remedy = "see the log; restart the device, reinstall bonefx and the model"
        return Check("canary", CheckStatus.FAIL, "self-test failed: classification stopped", remedy)
    if snapshot.canary_last_passed is None:
        return Check("canary", CheckStatus.FAIL, "no self-test yet", "wait; see the log")
    age = now - snapshot.canary_last_passed
    if age > CANARY_LIMIT_S:
        remedy = "an image takes very long, or memory is low: see the log"
        return Check("canary", CheckStatus.FAIL, f"last self-test passed {age:.0f} s ago", remedy)
    return Check("canary", CheckStatus.OK, f"self-test passed {age:.0f} s ago")


def _pictures(snapshot: ServiceSnapshot) -> list[Check]:
    """Return a warning if pictures fail; results do not depend on them."""
    if not snapshot.picture_failure:
        return []
    found = f"the last film has none: {snapshot.picture_failure}"
    remedy = "see the log; check disk space, disk and permissions of the folder of --pictures"
    return [Check("pictures", CheckStatus.WARN, found, remedy)]


def _journal_checks(
    journal: Status | str, snapshot: ServiceSnapshot, *, wall: float
) -> list[Check]:
    if isinstance(journal, str):
        remedy = "see the log; docs/operating.md explains how to rebuild it"
        return [Check("journal", CheckStatus.FAIL, f"cannot be read: {journal}", remedy)]
    readable = Check("journal", CheckStatus.OK, "can be read")
    queue = _queue(journal, snapshot, wall=wall)
    return [readable, queue, _files(journal), _messages(journal), *_drift(journal)]


def _queue(status: Status, snapshot: ServiceSnapshot, *, wall: float) -> Check:
    oldest, last = status.oldest_untried_s, status.last_result
    remedy = "run edge-admin status: it lists the causes"
    found = "empty" if oldest is None else f"oldest image waiting for {oldest:.0f} s"
    steps = snapshot.clock_steps
    moves = last is not None and age_s(steps, last, now=wall) <= QUEUE_LIMIT_S
    if oldest is not None and oldest > QUEUE_LIMIT_S and not moves:
        return Check("queue", CheckStatus.FAIL, f"{found}, no result meanwhile", remedy)
    if status.failures:
        waiting = ", ".join(f"{n} for {code}" for code, n in status.failures.items())
        return Check("queue", CheckStatus.WARN, f"{found}; will be retried: {waiting}", remedy)
    return Check("queue", CheckStatus.OK, found)


def _files(status: Status) -> Check:
    if not status.unreadable:
        return Check("files", CheckStatus.OK, "all can be read")
    counts = ", ".join(f"{n} for {code}" for code, n in status.unreadable.items())
    remedy = "EACCES: correct the permissions of files and folders; else check the disk or share"
    found = f"files or folders that cannot be read: {counts}"
    return Check("files", CheckStatus.WARN, found, remedy)


def _drift(status: Status) -> list[Check]:
    """Return a warning if films changed; answers may still be right."""
    alarms = status.drift.alarms
    if not alarms:
        return []
    found = "; ".join(describe(name, alarm) for name, alarm in alarms.items())
    remedy = "find out what changed: equipment, export, patients; then commission again"
    return [Check("drift", CheckStatus.WARN, found, remedy)]


def _messages(status: Status) -> Check:
    if status.oldest_undelivered_s is None:
        return Check("messages", CheckStatus.OK, "all delivered")
    found = (
        f"{status.undelivered} not delivered, the oldest for {status.oldest_undelivered_s:.0f} s"
    )
    if status.oldest_undelivered_s > QUEUE_LIMIT_S:
        remedy = "check the receiver: --on-result, --webhook"
        return Check("messages", CheckStatus.FAIL, found, remedy)
    return Check("messages", CheckStatus.OK, found)
