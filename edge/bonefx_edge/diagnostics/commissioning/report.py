"""The report of a commissioning as JSON: what the model does with films of the site."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.diagnostics.commissioning.guarantee import Rule
from bonefx_edge.diagnostics.commissioning.measure import Measured
from bonefx_edge.diagnostics.commissioning.thresholds import (
    Wish,
    fracture_limit,
    no_fracture_limit,
    proportion,
    rules_with,
    share,
)
from bonefx_edge.finding import Finding
from bonefx_edge.inference.decision import Caution, Decision, OperatingPoint, State
from bonefx_edge.inference.judge import Rules
from bonefx_edge.inference.score_scale import display_score, round_down
from bonefx_edge.model.site_profile import SiteProfile

SCHEMA: Final = "bonefx.commissioning/1"
INTERVAL: Final = "95 % exact interval (Clopper and Pearson), films as n"
ALL: Final = "all"
AGES: Final = ((0, 2), (2, 5), (5, 12), (12, 18), (18, 65), (65, 131))
"""Years, from and below."""
UNKNOWN: Final = "unknown"
_SCORE_STEPS: Final = 10_000
"""Four decimals, rounded down: the film that chose a threshold is below it, also in the chart."""


def make_report(
    measured: Sequence[Measured],
    classifier: Classifier,
    wish: Wish,
    profile: SiteProfile,
    *,
    names: bool,
) -> dict[str, Any]:
    """Return the JSON object of the report.

    Parameters
    ----------
    classifier
        Which measured them, with the thresholds of the model.
    names
        Whether the report may hold the names of files. They can identify patients.
    """
    own = classifier.rules
    thresholds = (profile.no_fracture_below, profile.fracture_from)
    site = rules_with(classifier, *thresholds, profile.ages)
    return {
        "schema": SCHEMA,
        "notice": NOTICE,
        "created": profile.created,
        "by": profile.by,
        "model": dataclasses.asdict(profile.model),
        **{
            name: dataclasses.asdict(films)
            | {"patients_known": all(e.film.group for e in measured if e.film.is_fractured == is_)}
            for name, films, is_ in (
                ("normal", profile.normal, False),
                ("fractured", profile.fractured, True),
            )
        },
        "limits": {
            "fracture_from": dataclasses.asdict(profile.fracture_limit),
            "no_fracture_below": profile.no_fracture_limit
            and dataclasses.asdict(profile.no_fracture_limit),
        },
        "ages": dataclasses.asdict(profile.ages) if profile.ages else None,
        "interval": INTERVAL,
        "thresholds": [
            {
                "name": name,
                "no_fracture_below": rules.operating_point.no_fracture_below,
                "fracture_from": rules.operating_point.fracture_from,
                "rows": _rows(measured, rules),
            }
            for name, rules in (("model", own), ("site", site))
        ],
        "rules": [
            _rule(measured, classifier, dataclasses.replace(wish, rule=rule), profile)
            for rule in Rule
        ],
        "refused": _count(
            measured, "reason", lambda finding: (finding.reason,) if finding.reason else ()
        ),
        "accepted": _count(measured, "switch", lambda finding: finding.accepted),
        "scores": {
            name: sorted(
                round_down(_score(each, site.operating_point), steps=_SCORE_STEPS)
                for each in _answered(measured, fractured)
            )
            for name, fractured in (("normal", False), ("fractured", True))
        },
        "films": [_film(each, site) for each in measured] if names else None,
    }


def _rows(measured: Sequence[Measured], rules: Rules) -> list[dict[str, Any]]:
    """Return counts for all films, by body part and by age where any is known, for each class."""
    rows = []
    for slice_, of in (("all", None), ("body part", _body_part), ("age", _age)):
        values = {ALL} if of is None else {of(each) for each in measured}
        if of is not None and values == {UNKNOWN}:
            continue
        for value in sorted(values, key=_order):
            films = [each for each in measured if of is None or of(each) == value]
            for fractured in (False, True):
                row = _row([f for f in films if f.film.is_fractured == fractured], rules, fractured)
                rows += [{"by": slice_, "value": value} | row] if row["films"] else []
    return rows


def _row(films: Sequence[Measured], rules: Rules, fractured: bool) -> dict[str, Any]:  # noqa: FBT001
    decisions = [each.decide(rules) for each in films]
    states = Counter(map(_state, decisions))
    cautions = Counter(decision.caution for decision in decisions if decision)
    answered = len(films) - states[State.REFUSED]
    right = answered - states[State.NO_FRACTURE if fractured else State.FRACTURE]
    return {
        "class": "fractured" if fractured else "normal",
        "films": len(films),
        **{state.value: states[state] for state in State},
        "figure": "sensitivity" if fractured else "specificity",
        "share": dataclasses.asdict(proportion(right, answered)) if answered else None,
        "called_fracture": dataclasses.asdict(proportion(states[State.FRACTURE], answered))
        if answered
        else None,
        **{caution.value: cautions[caution] for caution in Caution},
        "of_all_films": {
            name.value: dataclasses.asdict(proportion(count, len(films)))
            for name, count in (
                *((state, states[state]) for state in State),
                *((caution, cautions[caution]) for caution in Caution),
            )
        },
    }


def _state(decision: Decision | None) -> State:
    return State.REFUSED if decision is None else decision.state


def _rule(
    measured: Sequence[Measured], classifier: Classifier, wish: Wish, profile: SiteProfile
) -> dict[str, Any]:
    """Return what another rule would give: the threshold, its promise, and fractures it finds."""
    normal = [each for each in measured if not each.film.is_fractured]
    fractured = [each for each in measured if each.film.is_fractured]
    upper, lower = fracture_limit(normal, wish), no_fracture_limit(fractured, wish)
    # Above 1 no film is called fracture.
    fracture_from = min(upper.p_fracture, 1.0) if upper else 1.0
    rules = rules_with(classifier, 0.0, fracture_from, profile.ages)
    found = share(fractured, rules, lambda state: state is State.FRACTURE)
    return {
        "rule": wish.rule.value,
        "patients_needed": wish.patients_needed(1.0 - wish.specificity),
        "fracture_from": upper and upper.p_fracture,
        "no_fracture_below": lower and lower.p_fracture,
        "expected": upper and upper.choice.expected,
        "at_most": upper and upper.choice.at_most,
        "fractured_called_fracture": dataclasses.asdict(found) if upper and found.n else None,
    }


def _count(
    measured: Sequence[Measured], key: str, names_of: Callable[[Finding], Sequence[str]]
) -> list[dict[str, Any]]:
    """Return for each name that findings have how many films of each class have it."""
    counts = Counter(
        (name, each.film.is_fractured) for each in measured for name in names_of(each.finding)
    )
    names = sorted({name for name, _ in counts})
    return [
        {key: name, "normal": counts[name, False], "fractured": counts[name, True]}
        for name in names
    ]


def _film(each: Measured, site: Rules) -> dict[str, Any]:
    finding, p, decision = each.finding, each.p_fracture, each.decide(site)
    return {
        "path": finding.path,
        "class": "fractured" if each.film.is_fractured else "normal",
        "state": _state(decision).value,
        "reason": finding.reason,
        "caution": decision.caution if decision else None,
        "p_fracture": p,
        "score": None if p is None else _score(each, site.operating_point),
    }


def _answered(measured: Sequence[Measured], fractured: bool) -> list[Measured]:  # noqa: FBT001
    return [
        each
        for each in measured
        if each.film.is_fractured == fractured and each.p_fracture is not None
    ]


def _score(each: Measured, site: OperatingPoint) -> float:
    return display_score(
        each.p_fracture or 0.0,
        no_fracture_below=site.no_fracture_below,
        fracture_from=site.fracture_from,
    )


def _body_part(each: Measured) -> str:
    return each.body_part or UNKNOWN


def _age(each: Measured) -> str:
    if each.age_years is None:
        return UNKNOWN
    low, high = next((band for band in AGES if each.age_years < band[1]), AGES[-1])
    return f"{low} to {high - 1}" if high <= AGES[-2][1] else f"{low} and over"


def _order(value: str) -> tuple[bool, int, str]:
    """Return a sort key: ages by number, unknown last."""
    first = value.split()[0]
    return value == UNKNOWN, int(first) if first.isdigit() else 0, value
