"""Make any text safe to print."""

import sys
import traceback
from types import TracebackType


def printable(text: str) -> str:
    r"""Return `text` with control characters and undecodable bytes escaped: one line of UTF-8.

    >>> printable("a\nb")
    'a\\nb'
    """
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(escaped)


def tell_error(
    kind: type[BaseException], _error: BaseException, trace: TracebackType | None
) -> None:
    """Say on standard error what broke and where, for `sys.excepthook` of a service.

    Not the words of the error: they may quote the name of a file or a value of a film.
    """
    places = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(trace)
    ]
    sys.stderr.write(f"{kind.__name__} at {' > '.join(places)}\n")
