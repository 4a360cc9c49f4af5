"""Classify bone radiographs on a device without GPU or internet: decision aid, not a diagnosis.

    >>> from bonefx_edge import Classifier
    >>> finding = Classifier.load("lite0-int8").classify("film.dcm")  # doctest: +SKIP

docs/finding.md describes what is public: the names in `__all__`.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bonefx_edge import decode
    from bonefx_edge.classifier import Classifier
    from bonefx_edge.errors import BonefxError, Reason
    from bonefx_edge.finding import Analysis, Explanation, Finding
    from bonefx_edge.inference.decision import State

__all__ = [
    "NOTICE",
    "Analysis",
    "BonefxError",
    "Classifier",
    "Explanation",
    "Finding",
    "Reason",
    "State",
    "__version__",
    "decode",
]
__version__ = "0.5.0"

NOTICE: Final = (
    "Decision aid for research, not a diagnosis, not a medical device: a qualified person reads "
    "every radiograph."
)
"""Goes into every result and every report."""

_MODULES: Final = {
    "Analysis": "bonefx_edge.finding",
    "BonefxError": "bonefx_edge.errors",
    "Classifier": "bonefx_edge.classifier",
    "Explanation": "bonefx_edge.finding",
    "Finding": "bonefx_edge.finding",
    "Reason": "bonefx_edge.errors",
    "State": "bonefx_edge.inference.decision",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: a command's start must not wait for all."""
    if name == "decode":  # the package of decoders
        return importlib.import_module("bonefx_edge.decode")
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_MODULES[name]), name)
