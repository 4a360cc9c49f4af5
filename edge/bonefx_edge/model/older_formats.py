"""Manifests of older model files, as the current format: they give the findings that they gave."""

from collections.abc import Iterator
from typing import Any, Final

from bonefx_edge.inference.tiling import TILED

_RENAMED: Final = {
    "readings": "modes",
    "gate": "input_check",
    "runtimes": "verified_runtimes",
    "film_px": "longest_px",
    "films": "images",
}
"""Key of format 2 (bonefx 0.4) -> key of format 3."""
OLDER_FORMATS: Final = (2, 3)
"""Of bonefx 0.4 and 0.5."""


def upgrade(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest, from json, in format 4 if it has one of `OLDER_FORMATS`; else as it is.

    Wrong values stay wrong: the manifest is checked afterwards.

    Raises
    ------
    ValueError
        If it has a field that came with a later format.
    """
    if raw["format_version"] == 2:  # noqa: PLR2004
        raw = _from_2(raw)
    if raw["format_version"] == 3:  # noqa: PLR2004
        raw = _from_3(raw)
    return raw


def _from_3(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest of format 3 (bonefx 0.5) in format 4: all that is new is off."""
    for mode in _objects(raw.get("modes")):
        _add(mode, tile_selection=None, refinement=None)
    if isinstance(raw.get("input_check"), dict):
        _add(raw["input_check"], familiarity=None)
    return raw | {"format_version": 4}


def _add(raw: dict[str, Any], **fields: Any) -> None:
    """Put new fields into an object of a manifest of an older format, which cannot have them."""
    known = ", ".join(sorted(fields.keys() & raw.keys()))
    if known:
        msg = f"absent or unknown fields: {known}"
        raise ValueError(msg)
    raw.update(fields)


def _from_2(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest of format 2 under the names of format 3."""
    renamed = {
        _RENAMED.get(key, key): value if key == "provenance" else _rename(value)
        for key, value in raw.items()
    }
    for mode in _objects(renamed.get("modes")):
        if mode.get("name") == "closer":
            mode["name"] = TILED
    return renamed | {"format_version": 3}


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a list, nothing if it is no list."""
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _rename(value: Any) -> Any:
    """Return `value`, from json, with the keys of all objects in it renamed."""
    if isinstance(value, dict):
        return {_RENAMED.get(key, key): _rename(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rename(inner) for inner in value]
    return value
