"""Tell somebody else of each result: a command or a web address, until it is taken.

At least once: a kill between the delivery and its note repeats the message. Never in the way of
films: an errand, beside the loop.
"""

import http.client
import logging
import shlex
import shutil
import sqlite3
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Final

from bonefx_edge.errors import UsageError
from bonefx_edge.watch.journal.outbox import Outbox

logger = logging.getLogger(__name__)

COMMAND_LIMIT_S: Final = 30.0
"""Then the command is killed, and tried again later."""
WEBHOOK_LIMIT_S: Final = 10.0
"""Without a word from the other side."""

FAILED_PAUSE_S: Final = 1.0
"""After a message was not taken: each of a backlog has its own next time, and a receiver that is
away would be asked without end."""


class NotTakenError(Exception):
    """A message was not taken; in a word, why."""


class Courier:
    """Delivers what is in the outbox, oldest first."""

    def __init__(
        self,
        deliver: Callable[[bytes], None],
        *,
        wall: Callable[[], float],
        pause_s: float = FAILED_PAUSE_S,
    ) -> None:
        """Take what delivers, the clock, and how long to rest after a message was not taken."""
        self._deliver, self._wall, self._pause_s = deliver, wall, pause_s
        self._not_before = 0.0

    def turn(self, connection: sqlite3.Connection) -> bool:
        """Deliver one message; return whether there may be more to do at once."""
        if 0.0 < self._not_before - self._wall() <= self._pause_s:
            return False
        outbox = Outbox(connection)
        message = outbox.next(now=self._wall())
        if message is None:
            return False
        try:
            self._deliver(message.body.encode("ascii"))
        except NotTakenError as err:
            if message.attempts == 0:  # once each: a receiver may be away for days
                logger.warning("a message was not taken (%s); it is tried again", err)
            outbox.postpone(message, now=self._wall())
            self._not_before = self._wall() + self._pause_s
        else:
            outbox.drop(message)
        return True


def by_command(words: str) -> Callable[[bytes], None]:
    """Return what runs a command with the message as its standard input; exit code 0 takes it.

    Raises
    ------
    UsageError
        It cannot be split into words as a shell would, or there is no such program.
    """
    try:
        command = shlex.split(words)
    except ValueError as err:
        msg = f"--on-result: expected a command, got one that does not end: {err}; mend the quotes"
        raise UsageError(msg) from err
    if not command or shutil.which(command[0]) is None:
        msg = f"--on-result: expected a program that can be run, got {words!r}; give its full path"
        raise UsageError(msg)
    return lambda body: _run(command, body)


def by_webhook(url: str) -> Callable[[bytes], None]:
    """Return what posts a message to an address as JSON; any answer of 2xx takes it.

    Raises
    ------
    UsageError
        The address is none.
    """
    if not _is_address(url):
        # Not quoted: an address may carry a secret.
        msg = (
            "--webhook: expected an address such as https://host/path, in ASCII, without name and "
            "password, got another"
        )
        raise UsageError(msg)
    opener = urllib.request.build_opener(_NoRedirect)
    return lambda body: _post(opener, url, body)


def _is_address(url: str) -> bool:
    """Return whether a message can be sent there at all, as far as the words go."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # raises where it is no number
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    return parts.scheme in ("http", "https") and bool(host) and is_plain


def _run(command: Sequence[str], body: bytes) -> None:
    try:
        done = subprocess.run(  # noqa: S603 -- the operator's own command, without a shell
            command, input=body, stdout=subprocess.DEVNULL, timeout=COMMAND_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as err:
        msg = f"the command took longer than {COMMAND_LIMIT_S:g} s"
        raise NotTakenError(msg) from err
    except OSError as err:
        msg = f"the command could not be run: {err.strerror}"
        raise NotTakenError(msg) from err
    if done.returncode:
        msg = f"the command ended with {done.returncode}"
        raise NotTakenError(msg)


def _post(opener: urllib.request.OpenerDirector, url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 -- checked
    try:
        opener.open(request, timeout=WEBHOOK_LIMIT_S).close()
    except urllib.error.HTTPError as err:
        msg = f"the webhook answered {err.code}"
        err.close()
        raise NotTakenError(msg) from err
    except (OSError, http.client.HTTPException) as err:
        msg = f"the webhook could not be reached: {type(err).__name__}"
        raise NotTakenError(msg) from err


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A POST that is sent elsewhere becomes a GET without its body: nobody has taken it."""

    def redirect_request(self, *_: Any) -> None:
        return None
