"""On which file system a folder is, and whether the kernel reports all changes in it."""

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

MOUNT_TABLE: Final = Path("/proc/self/mountinfo")
"""proc_pid_mountinfo(5)."""
_POLLED: Final = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs",
    "autofs", "virtiofs", "vboxsf", "prl_fs", "vmhgfs", "davfs", "coda", "ocfs2", "gfs2", "beegfs",
))  # fmt: skip
"""Shared with other machines, whose writes cause no events here (inotify(7), Limitations)."""


class Mount(NamedTuple):
    """A mounted file system."""

    point: bytes
    """Mount point, absolute."""
    kind: str
    """Of the file system, such as ext4 or fuse.sshfs."""

    @property
    def needs_polling(self) -> bool:
        """Whether files can change without an event: another machine or a program writes them."""
        return self.kind in _POLLED or self.kind == "fuse" or self.kind.startswith("fuse.")

    def holds(self, folder: bytes) -> bool:
        """Return whether a folder is at or below the mount point."""
        return self.point == b"/" or (folder + b"/").startswith(self.point + b"/")


class _Line(NamedTuple):
    id: bytes
    parent: bytes
    """`id` of the mount that this one is mounted on; its own for the first."""
    mount: Mount


def mount_of(folder: bytes, *, table: Path = MOUNT_TABLE) -> Mount | None:
    """Return the mount of an absolute path without links; None if none is listed.

    Mounts may hide others, also such as are deeper: the way down from the first mount is followed,
    by the ids of parents.
    """
    lines = [line for line in _lines(table.read_bytes()) if line.mount.holds(folder)]
    others = {line.id for line in lines if line.id != line.parent}
    found = next((line for line in lines if line.parent not in others), None)
    while found is not None:
        on_it = [line for line in lines if line.parent == found.id and line.id != found.id]
        if not on_it:
            return found.mount
        found = min(on_it, key=lambda line: len(line.mount.point))
    return None


def needs_polling(folder: Path) -> bool:
    """Return whether a folder must be polled for changes; it need not exist yet."""
    mount = mount_of(os.fsencode(os.path.realpath(folder)))
    return mount is not None and mount.needs_polling


def _lines(text: bytes) -> list[_Line]:
    found = []
    for line in text.split(b"\n"):  # not splitlines: a name may hold a carriage return
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        if len(fields) > 4 and after:  # noqa: PLR2004 -- the fifth is the mount point
            kind = os.fsdecode(after.split(b" ")[0])
            found.append(_Line(fields[0], fields[1], Mount(_unescape(fields[4]), kind)))
    return found


def _unescape(name: bytes) -> bytes:
    r"""Return a name without escapes: the table has space, tab, newline and backslash in octal.

    >>> _unescape(rb"/mnt/a\040b")
    b'/mnt/a b'
    """
    return re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), name)
