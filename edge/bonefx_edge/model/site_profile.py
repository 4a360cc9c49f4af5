"""The site profile: thresholds and reference statistics measured on one site's own films."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from operator import lt
from pathlib import Path
from typing import Final

from bonefx_edge.errors import UsageError
from bonefx_edge.inference.ages import AgeRange
from bonefx_edge.inference.decision import OperatingPoint, Proportion, SiteProfileId
from bonefx_edge.inference.tiling import InferenceMode
from bonefx_edge.model.strict_json import build

SCHEMA: Final = "bonefx.site-profile/1"
"""Raised when a key changes its meaning or goes away."""
OPERATING_POINT: Final = "site"
"""Name of the operating point of a site profile in findings."""
MAX_BYTES: Final = 1 << 20
"""A profile is a few kilobytes."""
_HASH_DIGITS: Final = 12
_UNKNOWN: Final = Proportion(value=0.0, low=0.0, high=1.0, n=0)
"""Sensitivity where the site had no fractured films: anything is possible."""


@dataclass(frozen=True, slots=True)
class ProfileModel:
    """The model that was commissioned; a profile holds for no other."""

    name: str
    version: str
    sha256: str
    """Of the whole model file, hexadecimal."""
    mode: str
    """tiled or whole."""
    operating_point: str
    """Of the model: what it would use without the profile."""


@dataclass(frozen=True, slots=True)
class ProfileLimit:
    """How a threshold was chosen, and what it promises."""

    rule: str
    """expected or guaranteed."""
    wanted: float
    """Share of further films on the wrong side, (0, 1)."""
    confidence: float
    """(0, 1)."""
    n: int
    """Patients whose films it was chosen on; films where patients are not known."""
    beyond: int
    """How many of the n are on the wrong side, at most."""
    expected: float
    """Share of further films on the wrong side, on average, (0, 1)."""
    at_most: float
    """Share of further films on the wrong side that is not exceeded, with the confidence."""


@dataclass(frozen=True, slots=True)
class ProfileFilms:
    """The films of one class that the site gave."""

    films: int
    patients: int
    refused: int
    """Films that were refused; they choose no threshold."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of one number over the answered normal films."""

    name: str
    """p_fracture, mean, std, roughness (see `input_check.Statistics`) or distance."""
    n: int
    values: tuple[float, ...]
    """At `SiteProfile.levels`."""

    def __post_init__(self) -> None:
        if self.n < 1 or list(self.values) != sorted(self.values):
            msg = f"{self.name}: expected ascending quantiles of at least one film"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class ShareLimit:
    """A share of the normal films when the model was commissioned."""

    name: str
    """refused or with_caution."""
    value: float
    """[0, 1]."""
    high: float
    """Upper end of its 95 % interval, (0, 1)."""
    n: int

    def __post_init__(self) -> None:
        if self.name not in ("refused", "with_caution") or not 0.0 < self.high < 1.0:
            msg = f"expected a share refused or with_caution below 1, got {self.name}, {self.high}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class SiteProfile:
    """What `edge-admin commission` writes and `--site-profile` reads."""

    schema: str
    created: str
    """ISO 8601 with time zone, by the clock of the device."""
    by: str
    """Who commissioned: as given."""
    model: ProfileModel
    no_fracture_below: float
    """p_fracture, [0, 1]."""
    fracture_from: float
    """p_fracture, [0, 1], >= no_fracture_below."""
    normal: ProfileFilms
    fractured: ProfileFilms
    specificity: Proportion
    """Share of these normal films, without the refused, that are not called fracture."""
    sensitivity: Proportion | None
    """Share of these fractured films, without the refused, that are not called no_fracture."""
    fracture_limit: ProfileLimit
    """Of `fracture_from`, chosen on the normal films."""
    no_fracture_limit: ProfileLimit | None
    """Of `no_fracture_below`, chosen on the fractured films; None: the model's threshold, or
    `fracture_from` where that is lower."""
    levels: tuple[float, ...]
    """Of the quantiles, (0, 1), two or more, ascending."""
    reference: tuple[Quantiles, ...]
    """For drift: what the films of this site gave when it was commissioned."""
    shares: tuple[ShareLimit, ...] | None = None
    """For drift, as `reference`; None: not measured."""
    ages: AgeRange | None = None
    """At which the model may answer at this site: those of the normal patients, without the
    youngest and oldest twentieth; None: the ages of fewer than 60 are known."""

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            msg = f"expected schema {SCHEMA}, got {self.schema!r}"
            raise ValueError(msg)
        if not 0.0 <= self.no_fracture_below <= self.fracture_from <= 1.0:
            msg = (
                "expected 0 <= no_fracture_below <= fracture_from <= 1, got "
                f"{self.no_fracture_below} and {self.fracture_from}"
            )
            raise ValueError(msg)
        wrong = [q.name for q in self.reference if len(q.values) != len(self.levels)]
        steps = (0.0, *self.levels, 1.0)
        if wrong or len(self.levels) < 2 or not all(map(lt, steps, steps[1:])):  # noqa: PLR2004
            msg = f"expected ascending levels in (0, 1), two or more, quantiles for all: {wrong}"
            raise ValueError(msg)
        if datetime.fromisoformat(self.created).tzinfo is None:
            msg = f"created: expected a time with its zone, got {self.created!r}"
            raise ValueError(msg)

    def to_json(self) -> str:
        """Return the profile as JSON text, keys in the order of the fields."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False) + "\n"

    @property
    def date(self) -> str:
        """Of the commissioning, YYYY-MM-DD."""
        return self.created[:10]

    @property
    def operating_point(self) -> OperatingPoint:
        """What replaces the operating point of the model."""
        limit = self.fracture_limit
        return OperatingPoint(
            name=OPERATING_POINT,
            no_fracture_below=self.no_fracture_below,
            fracture_from=self.fracture_from,
            chosen_for=f"specificity {1 - limit.wanted:g}, {limit.rule}",
            chosen_on=f"{limit.n} normal films of the site, {self.date}",
            sensitivity=self.sensitivity or _UNKNOWN,
            specificity=self.specificity,
        )


@dataclass(frozen=True, slots=True)
class SiteThresholds:
    """What a site profile changes."""

    operating_point: OperatingPoint
    id: SiteProfileId
    ages: AgeRange | None
    """Besides the model's own, at which it may answer; None: none."""


def site_thresholds(
    path: str | Path, model_sha256: str, mode: InferenceMode, *, named: str | None
) -> SiteThresholds:
    """Return the operating point of a site profile for a model and mode, what names it, its ages.

    Parameters
    ----------
    model_sha256
        Of the whole model file.
    named
        The operating point of the model that was asked for, which contradicts the profile.

    Raises
    ------
    UsageError
        An operating point is named, or the file is no profile for this model and mode.
    """
    if named is not None:
        msg = f"expected an operating point ({named}) or a site profile, got both; name one"
        raise UsageError(msg)
    profile, sha256 = read_profile(Path(path))
    made, again = profile.model, "run edge-admin commission again"
    if made.sha256 != model_sha256:
        msg = (
            f"{path}: commissioned with model {made.name} {made.version} ({made.sha256[:12]}), "
            f"this model is {model_sha256[:12]}; {again} with this model on the kept films, or "
            "use the model of the profile"
        )
        raise UsageError(msg)
    if made.mode != mode.name:
        msg = (
            f"{path}: commissioned with mode {made.mode}, this is mode {mode.name}; "
            f"add --mode {made.mode}, or {again} with --mode {mode.name}"
        )
        raise UsageError(msg)
    profile_id = SiteProfileId(sha256[:_HASH_DIGITS], profile.date)
    return SiteThresholds(profile.operating_point, profile_id, profile.ages)


def read_profile(path: Path) -> tuple[SiteProfile, str]:
    """Return the profile in a file, and the sha256 of the file.

    Raises
    ------
    UsageError
        It cannot be read, or is no site profile.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
        profile: SiteProfile = build(SiteProfile, json.loads(data), where="site profile")
    except OSError as err:
        msg = f"{path}: cannot read the site profile ({err.strerror}); check the path"
        raise UsageError(msg) from err
    except (ValueError, TypeError, RecursionError, ArithmeticError) as err:
        msg = f"{path}: not a site profile ({err}); run edge-admin commission again"
        raise UsageError(msg) from err
    return profile, hashlib.sha256(data).hexdigest()
