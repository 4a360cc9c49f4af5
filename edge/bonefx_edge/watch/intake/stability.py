"""When a file has come to rest: no thread, no file system, no clock of its own."""

from collections.abc import Iterator
from typing import NamedTuple

from bonefx_edge.watch.files import Signature


class _Resting(NamedTuple):
    signature: Signature
    since: float
    """Monotonic seconds at which this signature was first seen."""


class Settling:
    """Files that were seen and are not yet taken, with how long each has been unchanged.

    A pause in a slow copy looks like rest: what is taken too early is found damaged by the
    decoder, and taken again when it changes.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._files: dict[bytes, _Resting] = {}

    def __len__(self) -> int:
        return len(self._files)

    def note(self, path: bytes, signature: Signature, *, now: float) -> None:
        """Note that the file was seen like this; its rest begins anew only if it has changed."""
        before = self._files.get(path)
        if before is None or before.signature != signature:
            # Moved to the end: the dictionary is in the order in which files come to rest.
            self._files.pop(path, None)
            self._files[path] = _Resting(signature, now)

    def forget(self, path: bytes) -> None:
        """Take a file off: it is gone, or taken."""
        self._files.pop(path, None)

    def due(self, *, now: float) -> Iterator[tuple[bytes, Signature]]:
        """Yield the files at rest for the settle time, longest first, as they were when we began.

        The caller looks at each once more, then notes or forgets it.
        """
        ready = []
        for path, file in self._files.items():
            if now < file.since + self._settle_s:
                break
            ready.append((path, file.signature))
        yield from ready

    def is_due(self, path: bytes, signature: Signature, *, now: float) -> bool:
        """Return whether the file is still waiting, at rest with this signature."""
        file = self._files.get(path)
        if file is None or file.signature != signature:
            return False
        return now >= file.since + self._settle_s

    def next_due(self) -> float | None:
        """Return the monotonic second at which the next file is due, None where none waits."""
        first = next(iter(self._files.values()), None)
        return None if first is None else first.since + self._settle_s
