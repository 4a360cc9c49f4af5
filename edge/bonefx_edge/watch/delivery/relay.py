"""Deliver the messages of the outbox to a command or a webhook, at least once each.

A kill between a delivery and its note in the journal repeats the message. Delivery is a background
task: a slow receiver does not delay classification.
"""

import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from bonefx_edge.watch.journal.outbox import Outbox

logger = logging.getLogger(__name__)

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
            outbox.delete(message)
        return True
