"""What `--threads` says: one number, or several of which the interpreter takes what pays."""

import os
import re
from typing import Final

from bonefx_edge.errors import UsageError

AUTO: Final = "auto"
_NUMBER: Final = re.compile("[1-9][0-9]{0,2}")


def threads_to_try(word: str, *, processes: int) -> tuple[int, ...]:
    """Return the numbers of threads to choose from for each process, ascending.

    The number that `word` is; or for "auto" 1, 2, 4, ... up to what each of so many processes has
    of the cores that we may use.

    Raises
    ------
    UsageError
        For any other word.
    """
    if word == AUTO:
        share = max(1, len(os.sched_getaffinity(0)) // processes)
        return tuple(1 << power for power in range(share.bit_length()))
    if not _NUMBER.fullmatch(word):
        msg = f"--threads: expected a number from 1 to 999, or {AUTO}, got {word!r}"
        raise UsageError(msg)
    return (int(word),)
