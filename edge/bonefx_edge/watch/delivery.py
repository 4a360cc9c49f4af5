"""Deliver the messages of the outbox to a command or a webhook, at least once each.

A kill between a delivery and its note in the journal repeats the message. Delivery is a background
task: a slow receiver does not delay classification.
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

COMMAND_TIMEOUT_S: Final = 30.0
"""The command is killed after this time, and run again later."""
WEBHOOK_TIMEOUT_S: Final = 10.0
"""Of one socket operation: connecting, sending, or waiting for the response."""

FAILURE_PAUSE_S: Final = 1.0
"""Between two attempts after a failed one. Each message has its own back-off, so a long backlog
alone would keep a receiver that is down under constant requests."""


class DeliveryError(Exception):
    """A message was not delivered; the text gives the cause."""


class OutboxRelay:
    """Delivers the messages of the outbox, oldest first."""

    def __init__(
        self,
        sink: Callable[[bytes], None],
        *,
        wall: Callable[[], float],
        pause_s: float = FAILURE_PAUSE_S,
    ) -> None:
        """Store the parts.

        Parameters
        ----------
        sink
            Delivers the body of one message, or raises `DeliveryError`.
        wall
            Seconds since 1970.
        pause_s
            Seconds between two attempts after a failed one.
        """
        self._sink, self._wall, self._pause_s = sink, wall, pause_s
        self._not_before = 0.0

    def run_once(self, connection: sqlite3.Connection) -> bool:
        """Try to deliver one message; return whether there may be more to do at once."""
        if 0.0 < self._not_before - self._wall() <= self._pause_s:
            return False
        outbox = Outbox(connection)
        message = outbox.next(now=self._wall())
        if message is None:
            return False
        try:
            self._sink(message.body.encode("ascii"))
        except DeliveryError as err:
            if message.attempts == 0:  # logged once a message: a receiver may be down for days
                logger.warning("delivery failed (%s), will retry", err)
            outbox.postpone(message, now=self._wall())
            self._not_before = self._wall() + self._pause_s
        else:
            outbox.drop(message)
        return True


def command_sink(words: str) -> Callable[[bytes], None]:
    """Return a sink that runs a command with the message on stdin; exit code 0 is success.

    Raises
    ------
    UsageError
        The command cannot be split into words as a shell would, or there is no such program.
    """
    try:
        command = shlex.split(words)
    except ValueError as err:
        msg = f"--on-result: expected a command, got incomplete quotes: {err}; check the quotes"
        raise UsageError(msg) from err
    if not command or shutil.which(command[0]) is None:
        msg = f"--on-result: expected a program that can be run, got {words!r}; give its full path"
        raise UsageError(msg)
    return lambda body: _run(command, body)


def webhook_sink(url: str) -> Callable[[bytes], None]:
    """Return a sink that posts the message to a URL as JSON; any 2xx status is success.

    Raises
    ------
    UsageError
        Not a valid http or https URL.
    """
    if not _is_valid_url(url):
        # The URL is not quoted: it may contain a secret.
        msg = (
            "--webhook: expected a URL such as https://host/path, in ASCII, without user name and "
            "password, got another"
        )
        raise UsageError(msg)
    opener = urllib.request.build_opener(_NoRedirect)
    return lambda body: _post(opener, url, body)


def _is_valid_url(url: str) -> bool:
    """Return whether the text is a URL that a message can be posted to."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # raises if it is not a number
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    return parts.scheme in ("http", "https") and bool(host) and is_plain


def _run(command: Sequence[str], body: bytes) -> None:
    try:
        done = subprocess.run(  # noqa: S603 -- the operator's own command, without a shell
            command, input=body, stdout=subprocess.DEVNULL, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as err:
        msg = f"the command took longer than {COMMAND_TIMEOUT_S:g} s"
        raise DeliveryError(msg) from err
    except OSError as err:
        msg = f"the command could not be run: {err.strerror}"
        raise DeliveryError(msg) from err
    if done.returncode:
        msg = f"the command ended with exit code {done.returncode}"
        raise DeliveryError(msg)


def _post(opener: urllib.request.OpenerDirector, url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 -- checked
    try:
        opener.open(request, timeout=WEBHOOK_TIMEOUT_S).close()
    except urllib.error.HTTPError as err:
        msg = f"the webhook returned HTTP status {err.code}"
        err.close()
        raise DeliveryError(msg) from err
    except (OSError, http.client.HTTPException) as err:
        msg = f"the webhook could not be reached: {type(err).__name__}"
        raise DeliveryError(msg) from err


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: urllib would repeat the POST as a GET without its body."""

    def redirect_request(self, *_: Any) -> None:
        return None
