"""Make any text safe to print."""


def printable(text: str) -> str:
    r"""Return `text` with control characters and undecodable bytes escaped: one line of UTF-8.

    >>> printable("a\nb")
    'a\\nb'
    """
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(escaped)
