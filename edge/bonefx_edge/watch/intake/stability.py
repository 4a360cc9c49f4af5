"""When a file is complete: without thread, file system or clock of its own."""

from collections.abc import Iterator
from typing import NamedTuple

from bonefx_edge.watch.files import Signature


class _TrackedFile(NamedTuple):
    signature: Signature
    since: float
    """Monotonic seconds at which its wait started."""
    unchanged_since: float
    """Monotonic seconds at which this signature was first observed."""


class FileStabilityTracker:
    """Files that are not yet accepted, with the time since when each is unchanged.

    A pause in a slow copy cannot always be distinguished from its end: a file that is accepted too
    early is found to be damaged by the decoder, and accepted again when it changes.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._files: dict[bytes, _TrackedFile] = {}

    def __len__(self) -> int:
        return len(self._files)

    def observe(self, path: bytes, signature: Signature, *, now: float) -> None:
        """Record the present signature of a file; its wait starts again only if it has changed."""
        before = self._files.get(path)
        if before is None or before.signature != signature:
            # Moved to the end: the dictionary is in the order in which files become stable.
            self._files.pop(path, None)
            self._files[path] = _TrackedFile(signature, now, now)

    def postpone(self, path: bytes, *, now: float) -> None:
        """Start the wait of a tracked file again: it is not complete though it is unchanged."""
        self._files[path] = self._files.pop(path)._replace(since=now)

    def unchanged_s(self, path: bytes, *, now: float) -> float:
        """Return for how many seconds a tracked file is unchanged."""
        return now - self._files[path].unchanged_since

    def forget(self, path: bytes) -> None:
        """Stop tracking a file: it was removed, or accepted."""
        self._files.pop(path, None)

    def due(self, *, now: float) -> Iterator[tuple[bytes, Signature]]:
        """Yield the files that are unchanged for the settle time at the call, oldest first.

        The caller checks each once more, and then observes or forgets it.
        """
        ready = []
        for path, file in self._files.items():
            if now < file.since + self._settle_s:
                break
            ready.append((path, file.signature))
        yield from ready

    def is_due(self, path: bytes, signature: Signature, *, now: float) -> bool:
        """Return whether the file is still tracked, and stable with this signature."""
        file = self._files.get(path)
        if file is None or file.signature != signature:
            return False
        return now >= file.since + self._settle_s

    def next_due(self) -> float | None:
        """Return the monotonic second at which the next file is due, None if there is none."""
        first = next(iter(self._files.values()), None)
        return None if first is None else first.since + self._settle_s
