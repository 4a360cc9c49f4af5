"""Deliver the messages of the outbox to a command or a webhook, at least once each.

A kill between a delivery and its note in the journal repeats the message. Delivery is a background
task: a slow receiver does not delay classification.
"""

import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from bonefx_edge.watch.journal.outbox import Message, Outbox

logger = logging.getLogger(__name__)

FAILURE_PAUSE_S: Final = 1.0
"""Between two attempts after a failed one. Each message has its own back-off, so a long backlog
alone would keep a receiver that is down under constant requests."""
MAX_RETRY_AFTER_S: Final = 86_400.0
"""Longest pause that a receiver can ask for."""


class DeliveryError(Exception):
    """A message was not delivered; the text gives the cause."""

    def __init__(
        self, cause: str, *, retry_after_s: float = 0.0, is_permanent: bool = False
    ) -> None:
        """Store the cause.

        Parameters
        ----------
        retry_after_s
            The receiver asked to be left alone so long, seconds.
        is_permanent
            The receiver will never accept the message.
        """
        super().__init__(cause)
        self.retry_after_s, self.is_permanent = retry_after_s, is_permanent


class OutboxRelay:
    """Delivers the messages of the outbox, oldest first; those about one file in their order."""

    name = "messages"

    def __init__(
        self,
        sink: Callable[[bytes], None],
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        pause_s: float = FAILURE_PAUSE_S,
    ) -> None:
        """Store the parts.

        Parameters
        ----------
        sink
            Delivers the body of one message, or raises `DeliveryError`.
        clock, wall
            Monotonic seconds; seconds since 1970.
        pause_s
            Seconds between two attempts after a failed one.
        """
        self._sink, self._clock, self._wall, self._pause_s = sink, clock, wall, pause_s
        self._not_before = clock()
        self._last_cause = ""

    def run_once(self, connection: sqlite3.Connection) -> bool:
        """Try to deliver one message; return whether there may be more to do at once."""
        if self._clock() < self._not_before:
            return False
        outbox = Outbox(connection)
        message = outbox.next(now=self._wall())
        if message is None:
            return False
        try:
            self._sink(message.body.encode("ascii"))
        except DeliveryError as err:
            self._handle_failure(outbox, message, err)
        else:
            outbox.delete(message)
            self._last_cause = ""
        return True

    def _handle_failure(self, outbox: Outbox, message: Message, err: DeliveryError) -> None:
        if err.is_permanent:
            logger.warning("delivery of message %d given up (%s)", message.id, err)
            outbox.delete(message)
            return
        # Once a message, and when the cause changes: a receiver may be down for days.
        if message.attempts == 0 or str(err) != self._last_cause:
            logger.warning("delivery failed (%s), will retry", err)
        self._last_cause = str(err)
        outbox.postpone(message, now=self._wall())
        pause_s = max(self._pause_s, min(err.retry_after_s, MAX_RETRY_AFTER_S))
        self._not_before = self._clock() + pause_s
