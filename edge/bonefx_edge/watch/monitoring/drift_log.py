"""Count films into the charts of drift, and say in the log when one departs or comes back."""

import logging
from collections.abc import Mapping

from bonefx_edge.watch.journal.drift import DriftWatch

logger = logging.getLogger(__name__)


def count_film(
    kept: str | None, departures: Mapping[str, tuple[float, float]], predictor: str
) -> str | None:
    """Count a film into the charts that the journal keeps; return the new ones.

    None: they stay as they are. The charts of another predictor end with the first film of this
    one: without a site profile there is nothing that the films could depart from.
    """
    watch = DriftWatch(kept)
    if not departures:
        return watch.drop_others(predictor)
    for change in watch.add(departures, predictor):
        logger.warning("films changed: %s; see edge-admin status, docs/commissioning.md", change)
    return watch.state()
