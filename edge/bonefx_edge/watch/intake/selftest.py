"""Checks of a watched folder for `edge-admin doctor --watch`: whether new images are noticed."""

import os
import select
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.intake.filesystem import mount_of
from bonefx_edge.watch.intake.inotify import InotifyWatcher

EVENT_TIMEOUT_S: Final = 2.0
"""For the event of a test file; it takes microseconds."""
FIRST_VALID_YEAR: Final = 2026
"""A clock with an earlier year was never set: a Raspberry Pi starts in 1970 without network."""
WATCHES_FILE: Final = Path("/proc/sys/fs/inotify/max_user_watches")


def check_watched_folder(folder: Path, *, year: int) -> list[Check]:
    """Return the checks of a folder that is, or is to be, watched; `year` is the clock's.

    Writes a hidden file into the folder, which the service ignores, and removes it.
    """
    try:
        is_there = folder.is_dir()
    except OSError as err:  # such as ENOTCONN of a share whose server went away
        remedy = "mount it again, or let this user enter the folders above it"
        return [Check("watched", CheckStatus.FAIL, f"{folder}: {error_name(err)}", remedy)]
    if not is_there:
        found = f"{folder} does not exist, or is not a folder"
        return [
            Check(
                "watched", CheckStatus.FAIL, found, "mount or create it; the service waits for it"
            )
        ]
    return [_file_system(folder), _events(folder), _clock(year)]


def _file_system(folder: Path) -> Check:
    mount = mount_of(os.fsencode(os.path.realpath(folder)))
    if mount is None:
        remedy = "run the service with --poll always"
        return Check("watched", CheckStatus.WARN, "its mount is not listed by the system", remedy)
    found = f"{mount.kind} at {os.fsdecode(mount.point)}"
    if mount.needs_polling:
        return Check(
            "watched", CheckStatus.OK, f"{found}: polled every second, events are incomplete"
        )
    return Check("watched", CheckStatus.OK, f"{found}: events")


def _events(folder: Path) -> Check:
    """Write a file and wait for its event."""
    limit = WATCHES_FILE.read_text().strip() if WATCHES_FILE.exists() else "unknown"
    name = f".bonefx-doctor-{os.getpid()}"
    try:
        with closing(InotifyWatcher(os.fsencode(folder))) as events:
            events.add(b"")
            (folder / name).write_bytes(b"")
            try:
                is_reported = _is_reported(events, os.fsencode(name))
            finally:
                (folder / name).unlink(missing_ok=True)
    except OSError as err:
        remedy = "let the user of the service list it; the doctor writes a test file there"
        return Check("events", CheckStatus.WARN, f"could not be tested: {error_name(err)}", remedy)
    if not is_reported:
        remedy = "run the service with --poll always"
        return Check("events", CheckStatus.FAIL, f"no event within {EVENT_TIMEOUT_S:g} s", remedy)
    return Check("events", CheckStatus.OK, f"inotify works; limit {limit} folders")


def _is_reported(events: InotifyWatcher, name: bytes) -> bool:
    end = time.monotonic() + EVENT_TIMEOUT_S
    while (left := end - time.monotonic()) > 0:
        if select.select([events], [], [], left)[0] and name in events.read().files:
            return True
    return False


def _clock(year: int) -> Check:
    if year < FIRST_VALID_YEAR:
        remedy = "set it, or add a hardware clock (RTC): results contain its time"
        return Check("clock", CheckStatus.WARN, f"says {year}", remedy)
    return Check("clock", CheckStatus.OK, f"says {year}")
