"""From the measured films of a site to its two thresholds, and to the site profile.

Scores choose the thresholds, states are counted. A film with a caution is never called fracture,
nor no fracture; so the share of films with that state is at most the share beyond the threshold,
and what is promised of the scores holds for the states. Choosing by states instead would lower the
threshold until the familiar films make up for the others (decision 0042).
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bonefx_edge.classifier import Classifier
from bonefx_edge.diagnostics.commissioning.guarantee import (
    Choice,
    Rule,
    choose,
    exact_interval,
    films_needed,
)
from bonefx_edge.diagnostics.commissioning.measure import LEVELS, Measured, reference_quantiles
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.ages import AgeRange
from bonefx_edge.inference.decision import Proportion, State
from bonefx_edge.inference.judge import Rules
from bonefx_edge.model.site_profile import (
    OPERATING_POINT,
    SCHEMA,
    ProfileFilms,
    ProfileLimit,
    ProfileModel,
    ShareLimit,
    SiteProfile,
)

MIN_PATIENTS: Final = 60
"""Of a class, to choose its threshold: with fewer, specificity scatters by more than 0.10."""
AGE_TAIL: Final = 0.05
"""Share of the youngest, and of the oldest normal patients that open no ages."""

_MARGIN: Final = 1e-9
"""Of p_fracture, between a threshold and the film that chose it. Scores of int8 models are often
equal, and processors differ in the last digit: a whole group of films must not change its side."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the site wants of its thresholds."""

    specificity: float
    """Share of normal films that are not called fracture, (0, 1)."""
    sensitivity: float
    """Share of fractured films that are not called no_fracture, (0, 1)."""
    confidence: float
    """(0, 1)."""
    rule: Rule

    def patients_needed(self, wanted: float) -> int:
        """Return of how many patients films are needed; `wanted` as for `choose`."""
        least = films_needed(wanted=wanted, confidence=self.confidence, rule=self.rule)
        return max(MIN_PATIENTS, least)


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold that films of the site chose."""

    p_fracture: float
    choice: Choice
    n: int
    """Patients."""


def check_enough(n: int, wish: Wish, *, what: str) -> None:
    """Return if so many normal films, or patients, choose a threshold.

    Raises
    ------
    UsageError
        They are too few; the message says how many are needed.
    """
    needed = wish.patients_needed(1.0 - wish.specificity)
    if n < needed:
        msg = (
            f"{what}: {n} normal, at least {needed} are needed to set a threshold for specificity "
            f"{wish.specificity:g} ({wish.rule}); add normal films of other patients"
        )
        raise UsageError(msg)


def fracture_limit(normal: Sequence[Measured], wish: Wish) -> Limit | None:
    """Return the threshold from which a film is called fracture, by the answered normal films.

    Films of one patient count once, by the highest score. None where the patients are too few.
    """
    scores = _by_patient(normal, max)
    choice = _choose(scores, wish, wanted=1.0 - wish.specificity)
    if choice is None:
        return None
    # A film with the k-th lowest score itself is on the right side.
    return Limit(choice.threshold * (1.0 + _MARGIN), choice, len(scores))


def no_fracture_limit(fractured: Sequence[Measured], wish: Wish) -> Limit | None:
    """Return the threshold below which a film is called no fracture, by the fractured films.

    As `fracture_limit`, mirrored: films of one patient count by the lowest score.
    """
    scores = [-score for score in _by_patient(fractured, min)]
    choice = _choose(scores, wish, wanted=1.0 - wish.sensitivity)
    if choice is None:
        return None
    return Limit(-choice.threshold * (1.0 - _MARGIN), choice, len(scores))


def make_profile(
    measured: Sequence[Measured], classifier: Classifier, wish: Wish, *, created: str, by: str
) -> SiteProfile:
    """Return the site profile that the measured films give.

    Raises
    ------
    UsageError
        The answered normal films are of too few patients, or no threshold is above them.
    """
    normal = [each for each in measured if not each.film.is_fractured]
    fractured = [each for each in measured if each.film.is_fractured]
    upper, lower = fracture_limit(normal, wish), no_fracture_limit(fractured, wish)
    if upper is None:
        check_enough(len(_by_patient(normal, max)), wish, what="patients with an answered film")
    if upper is None or upper.p_fracture > 1.0:
        msg = "The model is certain of a fracture in too many normal films; no threshold helps."
        raise UsageError(msg)
    model, own = classifier.model, classifier.operating_point
    below = min(lower.p_fracture if lower else own.no_fracture_below, upper.p_fracture)
    ages = age_range(normal)
    site = rules_with(classifier, below, upper.p_fracture, ages)
    return SiteProfile(
        schema=SCHEMA,
        created=created,
        by=by,
        model=ProfileModel(model.name, model.version, model.sha256, classifier.mode.name, own.name),
        no_fracture_below=below,
        fracture_from=upper.p_fracture,
        normal=_films(normal),
        fractured=_films(fractured),
        specificity=share(normal, site, lambda state: state is not State.FRACTURE),
        sensitivity=share(fractured, site, lambda state: state is not State.NO_FRACTURE)
        if any_answered(fractured)
        else None,
        fracture_limit=_profile_limit(upper, wish, wanted=1.0 - wish.specificity),
        no_fracture_limit=_profile_limit(lower, wish, wanted=1.0 - wish.sensitivity)
        if lower
        else None,
        levels=LEVELS,
        reference=reference_quantiles(normal),
        shares=_share_limits(normal, site),
        ages=ages,
    )


def _share_limits(normal: Sequence[Measured], site: Rules) -> tuple[ShareLimit, ...]:
    """Return the shares of refused films and of films with a caution, where below 1."""
    decisions = [each.decide(site) for each in normal]
    found = {
        "refused": sum(decision is None for decision in decisions),
        "with_caution": sum(bool(decision and decision.caution) for decision in decisions),
    }
    shares = {name: proportion(hits, len(normal)) for name, hits in found.items()}
    return tuple(
        ShareLimit(name, each.value, each.high, each.n)
        for name, each in shares.items()
        if each.high < 1.0
    )


def rules_with(
    classifier: Classifier, no_fracture_below: float, fracture_from: float, ages: AgeRange | None
) -> Rules:
    """Return how the classifier decides with a profile of these thresholds and ages."""
    point = dataclasses.replace(
        classifier.operating_point,
        name=OPERATING_POINT,
        no_fracture_below=no_fracture_below,
        fracture_from=fracture_from,
    )
    accepted = classifier.manifest.answered_ages(ages)
    return dataclasses.replace(classifier.rules, operating_point=point, ages=accepted)


def age_range(normal: Sequence[Measured]) -> AgeRange | None:
    """Return the ages of the answered normal patients, without `AGE_TAIL` at both ends.

    None where the ages of fewer than `MIN_PATIENTS` are known.
    """
    known = {
        each.patient: each.age_years
        for each in normal
        if each.age_years is not None and each.p_fracture is not None
    }
    if len(known) < MIN_PATIENTS:
        return None
    ages, tail = sorted(known.values()), int(AGE_TAIL * len(known))
    # Whole years: the last one counts to its end.
    return AgeRange(float(int(ages[tail])), float(int(ages[-1 - tail]) + 1))


def share(measured: Iterable[Measured], rules: Rules, holds: Callable[[State], bool]) -> Proportion:
    """Return the share of the answered films whose state is so, with its exact interval."""
    decisions = [decision for each in measured if (decision := each.decide(rules)) is not None]
    return proportion(sum(holds(decision.state) for decision in decisions), len(decisions))


def proportion(hits: int, n: int) -> Proportion:
    """Return a share with its exact 95 % interval; from 0 to 1 where n is 0."""
    if not n:
        return Proportion(value=0.0, low=0.0, high=1.0, n=0)
    low, high = exact_interval(hits, n)
    return Proportion(value=hits / n, low=low, high=high, n=n)


def any_answered(measured: Iterable[Measured]) -> bool:
    """Return whether a film was not refused."""
    return any(each.p_fracture is not None for each in measured)


def _choose(scores: Sequence[float], wish: Wish, *, wanted: float) -> Choice | None:
    if len(scores) < MIN_PATIENTS:
        return None
    return choose(scores, wanted=wanted, confidence=wish.confidence, rule=wish.rule)


def _by_patient(
    measured: Sequence[Measured], worst: Callable[[float, float], float]
) -> list[float]:
    scores: dict[str, float] = {}
    for each in measured:
        if each.p_fracture is not None:
            scores[each.patient] = worst(each.p_fracture, scores.get(each.patient, each.p_fracture))
    return list(scores.values())


def _films(measured: Sequence[Measured]) -> ProfileFilms:
    return ProfileFilms(
        films=len(measured),
        patients=len({each.patient for each in measured}),
        refused=sum(each.p_fracture is None for each in measured),
    )


def _profile_limit(limit: Limit, wish: Wish, *, wanted: float) -> ProfileLimit:
    return ProfileLimit(
        rule=wish.rule.value,
        wanted=round(wanted, 12),  # 1 - 0.9 is not quite 0.1 as a float
        confidence=wish.confidence,
        n=limit.n,
        beyond=limit.choice.beyond,
        expected=limit.choice.expected,
        at_most=limit.choice.at_most,
    )
