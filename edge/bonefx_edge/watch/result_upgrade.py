"""Read results of bonefx 0.4 and older in the present form."""

from typing import Any, Final

SCHEMA: Final = "bonefx.result/2"
"""The number changes when a key changes its meaning or is removed, not for new keys."""
SCHEMA_V1: Final = "bonefx.result/1"
_MODES: Final = {"closer": "tiled"}
"""Modes that had another name."""
_RESULT_KEYS: Final = {"decided": "classified_at", "answered_by": "predictor"}
_FINDING_KEYS: Final = {"reading": "mode", "places": "regions"}
_NEW_KEYS: Final = (
    "original_class", "no_fracture_below", "fracture_from", "score", "site_profile", "caution",
    "body_part",
)  # fmt: skip
"""Not in a finding of version 1: null, since a result is never computed again for them."""


def upgrade(record: dict[str, Any]) -> dict[str, Any]:
    """Return a result in version 2; one that has it already is returned as it is.

    The values stay, `predictor` too: it is compared with that of the present model. Only
    `class_index` follows the state, as in version 2; it was that of the score alone.

    Raises
    ------
    KeyError, TypeError
        A result of version 1 is incomplete.
    """
    if record["schema"] != SCHEMA_V1:
        return record
    renamed = _rename(record, _RESULT_KEYS)
    return renamed | {"schema": SCHEMA, "finding": _upgrade_finding(record["finding"])}


def _upgrade_finding(finding: dict[str, Any]) -> dict[str, Any]:
    # Here: it imports NumPy, which the service itself does not need.
    from bonefx_edge.finding import SCHEMA as FINDING_SCHEMA
    from bonefx_edge.inference.decision import CLASS_OF_STATE

    timings = _rename(finding["timings_ms"], {"gate": "input_check"})
    mode = finding["reading"]
    changed = {
        "schema": FINDING_SCHEMA,
        "mode": _MODES.get(mode, mode),
        "class_index": CLASS_OF_STATE.get(finding["state"]),
        "timings_ms": timings,
        "accepted": [],  # there were no switches
    }
    return dict.fromkeys(_NEW_KEYS) | _rename(finding, _FINDING_KEYS) | changed


def _rename(record: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in record.items()}
