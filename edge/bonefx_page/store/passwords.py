"""Passwords: made, hashed with scrypt (RFC 7914), compared."""

import base64
import hashlib
import hmac
import secrets
import threading
from typing import Final

MIN_LENGTH: Final = 12
"""Characters. NIST SP 800-63B asks for 8, and for 15 where nothing else is asked."""
MAX_LENGTH: Final = 200
_N: Final = 2**14
"""OWASP Password Storage Cheat Sheet, scrypt, with the next two: 16 MiB for each try."""
_R: Final = 8
_P: Final = 5
_SALT_BYTES: Final = 16
_MADE_BYTES: Final = 12
_ONE_AT_A_TIME: Final = threading.Lock()
"""Twenty tries at once would take 320 MiB from the service."""


def make_password() -> str:
    """Return a password of 96 random bits."""
    return secrets.token_urlsafe(_MADE_BYTES)


def hash_password(password: str) -> str:
    """Return `scrypt$N$r$p$salt$key`, in base64 where it is binary."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _derive(password, salt, n=_N, r=_R, p=_P)
    return "$".join(["scrypt", str(_N), str(_R), str(_P), _text(salt), _text(key)])


def is_password(password: str, hashed: str) -> bool:
    """Return whether `hashed` was made of this password."""
    _, n, r, p, salt, key = hashed.split("$")
    derived = _derive(password, base64.b64decode(salt), n=int(n), r=int(r), p=int(p))
    return hmac.compare_digest(derived, base64.b64decode(key))


def _derive(password: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    with _ONE_AT_A_TIME:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=64 << 20)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
