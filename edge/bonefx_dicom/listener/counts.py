"""What the listener counts since its start; used by the threads of all associations."""

import threading
from collections import Counter


class Counts:
    """Counters by name and label."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, label: str = "") -> None:
        """Count one event."""
        with self._lock:
            self._counts[name, label] += 1

    def get(self, name: str, label: str = "") -> int:
        """Return a count."""
        with self._lock:
            return self._counts[name, label]

    def by_label(self, name: str) -> dict[str, int]:
        """Return the counts of a name by label."""
        with self._lock:
            return {label: n for (each, label), n in sorted(self._counts.items()) if each == name}
