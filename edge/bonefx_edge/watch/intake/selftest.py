"""Would films in a folder be noticed? What `edge-admin doctor --watch` looks at."""

import os
import select
import time
from pathlib import Path
from typing import Final

from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.intake.filesystem import mount_of
from bonefx_edge.watch.intake.inotify import InotifyWatcher

EVENT_TIMEOUT_S: Final = 2.0
"""For the kernel to tell of a file that we wrote ourselves; it takes microseconds."""
FIRST_VALID_YEAR: Final = 2026
"""A clock before it has never been set: a Raspberry Pi begins in 1970 without a network."""
WATCHES_FILE: Final = Path("/proc/sys/fs/inotify/max_user_watches")


def check_watched_folder(folder: Path, *, year: int) -> list[Check]:
    """Return the checks of a folder that is, or is to be, watched; `year` is the clock's.

    Writes one hidden file into the folder, which the service passes over, and removes it.
    """
    if not folder.is_dir():
        found = f"{folder} is not there, or is no folder"
        return [
            Check("watched", CheckStatus.FAIL, found, "mount or make it; the service waits for it")
        ]
    return [_file_system(folder), _events(folder), _clock(year)]


def _file_system(folder: Path) -> Check:
    mount = mount_of(os.fsencode(os.path.realpath(folder)))
    if mount is None:
        remedy = "run the service with --poll always"
        return Check("watched", CheckStatus.WARN, "on no mount that the system lists", remedy)
    found = f"{mount.kind} at {os.fsdecode(mount.point)}"
    if mount.needs_polling:
        return Check(
            "watched", CheckStatus.OK, f"{found}: walked every second, events tell too little"
        )
    return Check("watched", CheckStatus.OK, f"{found}: events")


def _events(folder: Path) -> Check:
    """Write a file and wait for its own event."""
    limit = WATCHES_FILE.read_text().strip() if WATCHES_FILE.exists() else "unknown"
    name = f".bonefx-doctor-{os.getpid()}"
    events = InotifyWatcher(os.fsencode(folder))
    try:
        events.add(b"")
        (folder / name).write_bytes(b"")
        heard = _is_reported(events, os.fsencode(name))
    except OSError as err:
        remedy = "give the user of the service the right to list it; the doctor writes a file there"
        return Check("events", CheckStatus.WARN, f"could not be tried: {error_name(err)}", remedy)
    finally:
        events.close()
        (folder / name).unlink(missing_ok=True)
    if not heard:
        remedy = "run the service with --poll always"
        return Check("events", CheckStatus.FAIL, f"none came within {EVENT_TIMEOUT_S:g} s", remedy)
    return Check("events", CheckStatus.OK, f"its own file was told of; at most {limit} folders")


def _is_reported(events: InotifyWatcher, name: bytes) -> bool:
    end = time.monotonic() + EVENT_TIMEOUT_S
    while (left := end - time.monotonic()) > 0:
        if select.select([events], [], [], left)[0] and name in events.read().files:
            return True
    return False


def _clock(year: int) -> Check:
    if year < FIRST_VALID_YEAR:
        remedy = "set it, or give the device a clock (RTC): results carry its time"
        return Check("clock", CheckStatus.WARN, f"says {year}", remedy)
    return Check("clock", CheckStatus.OK, f"says {year}")
