"""On fractured films: where boxes are, where model and blind guesses point, how often they hit.

No command: localization.py and external.py measure with it.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from bonefx_edge.classifier import Classifier, Explained
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.finding import Finding
from bonefx_edge.inference.input_check import UNEXPOSED
from numpy.typing import NDArray

from bonefx_train.data.boxes import Box
from bonefx_train.data.dataset import Sample
from bonefx_train.evaluation.metrics import bootstrap_by_group, wilson
from bonefx_train.evaluation.report import Figure

Gray = NDArray[np.uint8]
Point = tuple[float, float]
"""(x, y) as shares of the film's width and height."""
Floats = NDArray[np.float64]

PEAK, CENTER, LIMB = "peak", "center", "limb"
GUESSES = {
    PEAK: "peak of the heat map",
    CENTER: "center of the film",
    LIMB: "centroid of the bright pixels",
}
NEAR = 0.05
"""Share of the film's longest side by which a box is grown for the lenient variant."""
INTERVAL = "95 % intervals over resampled groups; peak and guesses on the same resamples"


@dataclass(frozen=True, slots=True)
class Look:
    """One fractured film: where its boxes are, and where model and guesses point."""

    sample: Sample
    boxes: tuple[Box, ...]
    points: dict[str, Point | None]
    """By guess; None where there is none: a refused film, or one without pixels."""
    places: tuple[Box, ...]
    margin: Point
    """`NEAR` in shares of width and height."""
    finding: Finding

    def hit(self, guess: str, *, near: bool = False) -> bool:
        """Return whether that guess lies inside a box."""
        point, (dx, dy) = self.points[guess], self.margin if near else (0.0, 0.0)
        return point is not None and any(
            box.left - dx <= point[0] <= box.right + dx
            and box.top - dy <= point[1] <= box.bottom + dy
            for box in self.boxes
        )

    def placed(self) -> bool:
        """Return whether some place holds the center of a box."""
        centers = [((b.left + b.right) / 2, (b.top + b.bottom) / 2) for b in self.boxes]
        return any(
            p.left <= x <= p.right and p.top <= y <= p.bottom
            for p in self.places
            for x, y in centers
        )

    def covered(self) -> float:
        """Return the share of the film that the places cover together."""
        side = 200  # a grid of half percents
        grid = np.zeros((side, side), bool)
        for p in self.places:
            left, top, right, bottom = (round(edge * side) for edge in p)
            grid[top:bottom, left:right] = True
        return float(grid.mean())


def look_at(classifier: Classifier, sample: Sample, boxes: Sequence[Box]) -> Look:
    """Return where the boxes of one film are, and where the model and the guesses point."""
    if classifier.manifest.output.map is None:
        explained = Explained(classifier.classify(sample.path), None, None)
    else:
        explained = classifier.explain(sample.path)
    finding, heat = explained.finding, explained.heat_map
    try:
        pixels = decode(read_file(sample.path)).pixels
    except DecodeError:
        pixels = None
    height, width = (1, 1) if pixels is None else pixels.shape
    points: dict[str, Point | None] = {
        PEAK: None if heat is None else (heat.peak()[0] / width, heat.peak()[1] / height),
        CENTER: (0.5, 0.5),
        LIMB: None if pixels is None else limb_centroid(pixels),
    }
    places = tuple(
        Box(p.left / width, p.top / height, p.right / width, p.bottom / height)
        for p in finding.regions
    )
    reach = NEAR * max(height, width)
    return Look(sample, tuple(boxes), points, places, (reach / width, reach / height), finding)


def limb_centroid(pixels: Gray) -> Point:
    """Return the centroid of what Otsu's threshold calls bright, unexposed white left out."""
    threshold, _ = cv2.threshold(pixels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    rows, columns = np.nonzero((pixels > threshold) & (pixels < UNEXPOSED * 255))
    if not rows.size:
        return 0.5, 0.5
    height, width = pixels.shape
    return float(columns.mean() + 0.5) / width, float(rows.mean() + 0.5) / height


def pointing_figures(looks: Sequence[Look], *, has_map: bool, has_tiles: bool) -> list[Figure]:
    """Return hit rates, ratios and what the places are worth; undefined without map or tiles."""
    groups = [look.sample.group for look in looks]
    hits = {guess: np.array([look.hit(guess) for look in looks], float) for guess in GUESSES}
    near = {
        guess: np.array([look.hit(guess, near=True) for look in looks], float) for guess in GUESSES
    }
    blind = [guess for guess in GUESSES if has_map or guess != PEAK]
    figures = [rate(g, f"{GUESSES[g]} inside a box", hits[g], groups=groups) for g in blind]
    figures += [
        rate(
            f"{g}_near", f"{GUESSES[g]} within {NEAR * 100:.0f} % of a box", near[g], groups=groups
        )
        for g in blind
    ]
    if has_map:
        figures += _against_guesses(hits, groups=groups)
    if has_tiles:
        figures += _place_figures(looks, groups=groups)
    return figures


def _against_guesses(hits: dict[str, Floats], *, groups: list[str]) -> list[Figure]:
    figures = []
    for guess in (CENTER, LIMB):
        meaning = f"hits of the peak for one hit of the {GUESSES[guess]}, on the same films"

        def times(w: Floats, blind: Floats = hits[guess]) -> Floats:
            return ratio(w @ hits[PEAK], w @ blind)

        figures.append(measure(f"peak_over_{guess}", meaning, times, groups=groups))
    meaning = "hit rate of the peak minus twice that of the center; over 0: the bar is met"
    excess = hits[PEAK] - 2 * hits[CENTER]
    figures.append(
        measure("peak_less_twice_center", meaning, lambda w: w @ excess / w.sum(-1), groups=groups)
    )
    return figures


def _place_figures(looks: Sequence[Look], *, groups: list[str]) -> list[Figure]:
    placed = np.array([look.placed() for look in looks], float)
    named = np.array([bool(look.places) for look in looks], float)
    covered = np.array([look.covered() for look in looks])
    return [
        rate("places", "some place holds the center of a box", placed, groups=groups),
        rate("places_named", "films with a place at all", named, groups=groups),
        rate(
            "places_where_named",
            "some place holds the center of a box, of the films with a place",
            placed,
            groups=groups,
            among=named,
        ),
        measure(
            "places_cover",
            "mean share of the film under its places, of the films with a place: what a blind "
            "throw at the film would hit",
            lambda w: ratio(w @ (covered * named), w @ named),
            groups=groups,
            n=int(named.sum()),
        ),
    ]


def rate(
    name: str, meaning: str, hits: Floats, *, groups: list[str], among: Floats | None = None
) -> Figure:
    """Return a share of the films in `among` (default: all); at exactly 0 or 1 Wilson's interval.

    Resampling cannot see beyond what was seen: there the groups count as n.
    """
    counted = np.ones(len(hits)) if among is None else among
    figure = measure(
        name,
        meaning,
        lambda w: ratio(w @ (hits * counted), w @ counted),
        groups=groups,
        n=int(counted.sum()),
    )
    if figure.value not in (0.0, 1.0):
        return figure
    n = len({group for group, counts in zip(groups, counted, strict=True) if counts})
    agreed = wilson(int(figure.value) * n, n)
    return dataclasses.replace(figure, low=agreed.low, high=agreed.high)


def measure(
    name: str,
    meaning: str,
    of: Callable[[Floats], Floats],
    *,
    groups: list[str],
    n: int | None = None,
) -> Figure:
    """Return a figure with its interval; None where undefined. Undefined resamples are left out."""
    numbers = (float(of(np.ones(len(groups)))), *bootstrap_by_group(of, groups, seed=0))
    value, low, high = (number if math.isfinite(number) else None for number in numbers)
    return Figure(name, meaning, value, low, high, len(groups) if n is None else n)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the quotient; not finite where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator / np.asarray(denominator))


def refusals(looks: Sequence[Look]) -> dict[str, int]:
    """Return how many films were refused, by reason."""
    reasons = [look.finding.reason for look in looks]
    return dict(Counter(reason.value for reason in reasons if reason))


def table(figures: Sequence[Figure]) -> list[str]:
    """Return the figures as lines of a Markdown table."""
    lines = ["| figure | value | 95 % interval | n | of what |", "|---|---|---|---|---|"]
    for f in figures:
        value = "undefined" if f.value is None else f"{f.value:.3f}"
        interval = "-" if f.low is None or f.high is None else f"{f.low:.3f} to {f.high:.3f}"
        lines.append(f"| {f.name} | {value} | {interval} | {f.n} | {f.meaning} |")
    return lines
