"""Make any text safe to print, and say how a process ended."""

import signal


def printable(text: str) -> str:
    r"""Return `text` with control characters and undecodable bytes escaped: one line of UTF-8.

    >>> printable("a\nb")
    'a\\nb'
    """
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(escaped)


def exit_cause(code: int) -> str:
    """Return how a process ended, from its exit code or its negative signal number.

    >>> exit_cause(7), exit_cause(-4), exit_cause(-40)
    ('exit code 7', 'SIGILL', 'signal 40')
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # most real-time signals have no name
        return f"signal {-code}"
