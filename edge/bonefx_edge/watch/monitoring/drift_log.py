"""Count films into the charts of drift, and say in the log when one departs or comes back."""

import logging
from collections.abc import Mapping

from bonefx_edge.watch.journal.drift import DriftWatch

logger = logging.getLogger(__name__)


class DriftLog:
    """The charts of the service."""

    def __init__(self, kept: str | None) -> None:
        """Take up what the journal kept."""
        self._watch = DriftWatch(kept)

    def add(self, departures: Mapping[str, tuple[float, float]], predictor: str) -> str | None:
        """Count a film; return the charts for the journal, None where they stay as they are.

        The charts of another predictor end with the first film of this one: without a site profile
        there is nothing that the films could depart from.
        """
        if not departures:
            return self._watch.drop_others(predictor)
        for change in self._watch.add(departures, predictor):
            logger.warning(
                "films changed: %s; see edge-admin status, docs/commissioning.md", change
            )
        return self._watch.state()
