"""A drawn radiograph that is asked about again and again, and must be answered as before.

Damaged memory, a damaged installation or a library that rounds otherwise change no file's hash and
raise no error; they change this answer. Drawn and shipped by tests/support/make_canary.py.
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
SHIPPED_PATH: Final = Path(__file__).with_name("canary.json")
"""p_fracture of the models that come with the package, by sha256 of the file and reading."""
CANARY: Final = Claim(
    sha256="76c37aff2c14e7de409514be25442d463d34859b876981fe7e63ed6de6a4c381",
    path=os.fsencode(CANARY_PATH),
    received=0.0,
)
"""As a worker is given it: an absolute path stays what it is below any folder."""
EVERY_S: Final = 600.0
"""Between two times that a worker is asked; 40 ms each on x86-64."""
AGAIN_S: Final = 60.0
"""Before the next worker is asked, after one differed: results wait meanwhile."""
SAME_P: Final = 1e-4
"""Difference in p_fracture that one machine may show between two answers with the same libraries.
The arithmetic is the same, so 0 is expected; several threads may add up floats in another order."""
SAME_LOGIT: Final = 1.0
"""Difference in the logit from the shipped answer, on any machine: interpreters were up to 0.76
apart on one int8 file (decision 0016); a wrong picture, gray mapping or model is further off."""


class Canary:
    """What was answered first, by each combination of model and libraries, and since."""

    def __init__(self, journal: Journal, *, clock: Callable[[], float]) -> None:
        self._journal, self._clock = journal, clock
        found = hashlib.sha256(CANARY_PATH.read_bytes()).hexdigest()
        if found != CANARY.sha256:
            msg = f"{CANARY_PATH}: expected the canary film, got another; install bonefx anew"
            raise InterpreterError(msg)
        self._shipped: dict[str, float] = json.loads(SHIPPED_PATH.read_text("ascii"))
        self.is_sound = True
        """Whether the last answer was the right one; before the first, nothing speaks against."""
        self.answered: float | None = None
        """Monotonic second of the last right answer."""

    def check(self) -> None:
        """Return if the last answer was right, for callers that nobody mends the device for.

        Raises
        ------
        InterpreterError
            It was wrong.
        """
        if not self.is_sound:
            msg = (
                "expected the canary film answered as before, see the log; check the device's "
                "memory, install bonefx and the model anew"
            )
            raise InterpreterError(msg)

    def judge(self, finding: dict[str, Any] | None, *, answered_by: str, made_of: str) -> None:
        """Take an answer: the record of `Finding.to_dict`, or None where there was none.

        The first of a combination is compared with what was shipped, if the model was, and kept;
        the others are compared with the first.
        """
        name = f"canary {answered_by}; {made_of}"
        kept = self._journal.fact(name)
        wrong = "no answer" if finding is None else self._wrong(finding, first=kept)
        self.is_sound = not wrong
        if wrong or finding is None:
            logger.error("the canary film is answered wrongly (%s): no film is classified", wrong)
            return
        self.answered = self._clock()
        if kept is None:
            self._journal.remember(name, json.dumps(_answer(finding)))

    def _wrong(self, finding: dict[str, Any], *, first: str | None) -> str:
        """Return what is wrong with an answer, "" if nothing is."""
        if first is None:
            return self._far_from_shipped(finding)
        answer, kept = _answer(finding), json.loads(first)
        return "" if _agree(answer, kept) else f"{answer}, first it was {kept}"

    def _far_from_shipped(self, finding: dict[str, Any]) -> str:
        p, key = finding["p_fracture"], f"{finding['model']['sha256']} {finding['reading']}"
        expected = self._shipped.get(key)
        if expected is None:
            return ""
        if p is not None and abs(_logit(p) - _logit(expected)) <= SAME_LOGIT:
            return ""
        return f"p_fracture {p}, shipped with {expected}"


def _answer(finding: dict[str, Any]) -> list[Any]:
    return [finding["state"], finding["reason"], finding["p_fracture"]]


def _agree(answer: list[Any], first: list[Any]) -> bool:
    p, first_p = answer[2], first[2]
    if answer[:2] != first[:2] or p is None or first_p is None:
        return answer == first
    return bool(abs(p - first_p) <= SAME_P)


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1.0 - 1e-9)
    return math.log(p / (1.0 - p))
