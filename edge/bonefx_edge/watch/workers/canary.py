"""Self-test: a bundled drawing is classified periodically and must give the same result as before.

Damaged memory, a damaged installation or a library that rounds differently change no file hash and
raise no error; they change this result. The files are made by tests/support/make_canary.py.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bonefx_edge.errors import InterpreterError
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.states import Claim

logger = logging.getLogger(__name__)

CANARY_PATH: Final = Path(__file__).with_name("canary.jpg")
EXPECTED_PATH: Final = Path(__file__).with_name("canary.json")
"""p_fracture of the bundled models, by sha256 of the model file and mode."""
CANARY: Final = Claim(
    sha256="76c37aff2c14e7de409514be25442d463d34859b876981fe7e63ed6de6a4c381",
    path=os.fsencode(CANARY_PATH),
    received=0.0,
)
"""Absolute path, so that it does not depend on the watched folder."""
CANARY_INTERVAL_S: Final = 600.0
"""Between two self-tests of a worker; 40 ms each on x86-64."""
CANARY_RETRY_S: Final = 60.0
"""Until the next self-test after a failed one; nothing is classified meanwhile."""
P_TOLERANCE: Final = 1e-4
"""For p_fracture between two self-tests with the same libraries on one machine. The arithmetic is
the same, so 0 is expected; several threads may add floats in another order."""
LOGIT_TOLERANCE: Final = 1.0
"""For the logit against the bundled value, on any machine: interpreters differed by up to 0.76 on
one int8 file (decision 0016); a wrong image, gray mapping or model differs more."""


class Canary:
    """Compares each self-test with the first one of the same predictor and environment."""

    def __init__(self, journal: Journal, *, clock: Callable[[], float]) -> None:
        self._journal, self._clock = journal, clock
        found = hashlib.sha256(CANARY_PATH.read_bytes()).hexdigest()
        if found != CANARY.sha256:
            msg = f"{CANARY_PATH}: expected the self-test image, got another; reinstall bonefx"
            raise InterpreterError(msg)
        self._bundled: dict[str, float] = json.loads(EXPECTED_PATH.read_text("ascii"))
        self.is_healthy = True
        """Whether the last self-test passed; True before the first."""
        self.last_passed: float | None = None
        """Monotonic second of the last self-test that passed."""

    def require_healthy(self) -> None:
        """Raise if the last self-test failed.

        Raises
        ------
        InterpreterError
            It failed.
        """
        if not self.is_healthy:
            msg = "Self-test failed, see the log. Check the device's memory, reinstall bonefx."
            raise InterpreterError(msg)

    def verify(self, finding: dict[str, Any] | None, *, predictor: str, environment: str) -> None:
        """Check the result of a self-test, None if there is no finding.

        The first one of a predictor and environment is compared with the bundled value, if there is
        one, and stored; the others are compared with the first.
        """
        name = f"canary {predictor}; {environment}"
        stored = self._journal.get_meta(name)
        error = "no result" if finding is None else self._difference(finding, first=stored)
        self.is_healthy = not error
        if error or finding is None:
            logger.error("self-test failed (%s): classification stopped", error)
            return
        self.last_passed = self._clock()
        if stored is None:
            self._journal.set_meta(name, json.dumps(_values(finding)))

    def _difference(self, finding: dict[str, Any], *, first: str | None) -> str:
        """Return how a result differs from what is expected, "" if it does not."""
        if first is None:
            return self._difference_from_bundled(finding)
        values, expected = _values(finding), json.loads(first)
        return "" if _agree(values, expected) else f"{values}, first result {expected}"

    def _difference_from_bundled(self, finding: dict[str, Any]) -> str:
        p, key = finding["p_fracture"], f"{finding['model']['sha256']} {finding['mode']}"
        expected = self._bundled.get(key)
        if expected is None:
            return ""
        if p is not None and abs(_logit(p) - _logit(expected)) <= LOGIT_TOLERANCE:
            return ""
        return f"p_fracture {p}, expected {expected}"


def _values(finding: dict[str, Any]) -> list[Any]:
    return [finding["state"], finding["reason"], finding["p_fracture"]]


def _agree(values: list[Any], first: list[Any]) -> bool:
    p, first_p = values[2], first[2]
    if values[:2] != first[:2] or p is None or first_p is None:
        return values == first
    return bool(abs(p - first_p) <= P_TOLERANCE)


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1.0 - 1e-9)
    return math.log(p / (1.0 - p))
