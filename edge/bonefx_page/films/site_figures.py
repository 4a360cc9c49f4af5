"""What the model was worth at this site when it was commissioned: from the site profile."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from bonefx_edge.errors import UsageError

_MAX_BYTES: Final = 1 << 20


class SiteShare(NamedTuple):
    """A share of the films of the commissioning, with its 95 % interval."""

    value: float
    """[0, 1], as the next two."""
    low: float
    high: float
    n: int


class SiteFigures(NamedTuple):
    """Figures of one site profile."""

    specificity: SiteShare
    """Normal films that were not called fracture."""
    sensitivity: SiteShare | None
    """Fractured films that were not called no_fracture; None: there were no fractured films."""


def figures_of(path: Path | None, sha256: str) -> SiteFigures | None:
    """Return the figures of the profile with these first digits.

    None if the file is another one, or cannot be read any more: the page says so, and the film is
    shown all the same.
    """
    if path is None:
        return None
    try:
        found, figures = read_figures(path)
    except UsageError:
        return None
    return figures if found.startswith(sha256) else None


def read_figures(path: Path) -> tuple[str, SiteFigures]:
    """Return the sha256 of a site profile, and its figures.

    Raises
    ------
    UsageError
        The file is no site profile, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES)
        profile = json.loads(data)
        figures = SiteFigures(
            _share(profile["specificity"]), _share_or_none(profile["sensitivity"])
        )
    except OSError as err:
        msg = f"{path}: cannot read the site profile ({err.strerror}); check path and permissions"
        raise UsageError(msg) from err
    except (ValueError, KeyError, TypeError) as err:
        msg = f"{path}: not a site profile ({err!r}); give the file of the service's --site-profile"
        raise UsageError(msg) from err
    return hashlib.sha256(data).hexdigest(), figures


def _share(value: dict[str, Any]) -> SiteShare:
    return SiteShare(value["value"], value["low"], value["high"], value["n"])


def _share_or_none(value: dict[str, Any] | None) -> SiteShare | None:
    return None if value is None else _share(value)
