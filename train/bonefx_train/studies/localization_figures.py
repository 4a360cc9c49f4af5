"""Localization on fractured films: boxes, regions and peaks, and how often they agree.

No command: localization.py and external.py measure with it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.finding import Explanation, Finding
from bonefx_edge.inference.input_check import UNEXPOSED
from numpy.typing import NDArray

from bonefx_train.data.boxes import Box
from bonefx_train.data.sample import Sample
from bonefx_train.evaluation.evaluate import measure_figure
from bonefx_train.evaluation.metrics import Bools, Floats, ratio, share
from bonefx_train.evaluation.report import Figure

Gray = NDArray[np.uint8]
Point = tuple[float, float]
"""(x, y) as shares of the film's width and height."""

PEAK, CENTER, LIMB = "peak", "center", "limb"
POINTS: Final = {
    PEAK: "peak of the heat map",
    CENTER: "center of the image",
    LIMB: "centroid of the bright pixels",
}
"""One point of the model, and two that need no model: what it is compared with."""
NEAR: Final = 0.05
"""Share of the film's longest side by which a box is grown for the lenient variant."""
GRID: Final = 200
"""Cells along each side of a film when its covered share is counted."""


@dataclass(frozen=True, slots=True)
class Localized:
    """One fractured film: its boxes, and what the model and the baselines name."""

    sample: Sample
    boxes: tuple[Box, ...]
    points: dict[str, Point | None]
    """By name; None where there is none: a refused film, or one without pixels."""
    regions: tuple[Box, ...]
    margin: Point
    """`NEAR` in shares of width and height."""
    finding: Finding

    def hit(self, name: str, *, near: bool = False) -> bool:
        """Return whether that point lies inside a box."""
        point, (dx, dy) = self.points[name], self.margin if near else (0.0, 0.0)
        return point is not None and any(
            box.left - dx <= point[0] <= box.right + dx
            and box.top - dy <= point[1] <= box.bottom + dy
            for box in self.boxes
        )

    def region_hits(self) -> bool:
        """Return whether a region holds the center of a box."""
        centers = [((b.left + b.right) / 2, (b.top + b.bottom) / 2) for b in self.boxes]
        return any(
            r.left <= x <= r.right and r.top <= y <= r.bottom
            for r in self.regions
            for x, y in centers
        )

    def covered(self) -> float:
        """Return the share of the film that the regions cover together, [0, 1]."""
        grid = np.zeros((GRID, GRID), bool)
        for region in self.regions:
            left, top, right, bottom = (round(edge * GRID) for edge in region)
            grid[top:bottom, left:right] = True
        return float(grid.mean())


def localize(classifier: Classifier, sample: Sample, boxes: Sequence[Box]) -> Localized:
    """Return boxes, regions and points of one film."""
    if classifier.manifest.output.map is None:
        explained = Explanation(classifier.classify(sample.path), None, None)
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
    regions = tuple(
        Box(p.left / width, p.top / height, p.right / width, p.bottom / height)
        for p in finding.regions
    )
    reach = NEAR * max(height, width)
    margin = (reach / width, reach / height)
    return Localized(sample, tuple(boxes), points, regions, margin, finding)


def limb_centroid(pixels: Gray) -> Point:
    """Return the centroid of what Otsu's threshold calls bright, without unexposed white."""
    threshold, _ = cv2.threshold(pixels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    rows, columns = np.nonzero((pixels > threshold) & (pixels < UNEXPOSED * 255))
    if not rows.size:
        return 0.5, 0.5
    height, width = pixels.shape
    return float(columns.mean() + 0.5) / width, float(rows.mean() + 0.5) / height


def localization_figures(
    films: Sequence[Localized], *, has_map: bool, has_tiles: bool
) -> list[Figure]:
    """Return hit rates and ratios of the points, and figures of the regions.

    Parameters
    ----------
    films
        Fractured films; a refused one is a miss.
    has_map, has_tiles
        Whether the model gives a heat map and regions; without them their figures are left out.
    """
    groups = [film.sample.group for film in films]
    names = [name for name in POINTS if has_map or name != PEAK]
    hits = {name: np.array([film.hit(name) for film in films], bool) for name in names}
    figures = [_rate(n, f"{POINTS[n]} inside a box", hits[n], groups=groups) for n in names]
    for name in names:
        near = np.array([film.hit(name, near=True) for film in films], bool)
        meaning = f"{POINTS[name]} within {NEAR * 100:.0f} % of a box"
        figures.append(_rate(f"{name}_near", meaning, near, groups=groups))
    if has_map:
        figures += _against_baselines(hits, groups=groups)
    if has_tiles:
        figures += _region_figures(films, groups=groups)
    return figures


def _rate(
    name: str, meaning: str, hits: Bools, *, groups: list[str], among: Bools | None = None
) -> Figure:
    """Return the share of the films in `among` (default: all) that are hits."""
    counted = np.ones(len(hits), bool) if among is None else among
    return measure_figure(
        name, meaning, lambda w: share(hits, counted, w), groups=groups, among=counted
    )


def _against_baselines(hits: dict[str, Bools], *, groups: list[str]) -> list[Figure]:
    figures = []
    for name in (CENTER, LIMB):
        meaning = f"hits of the peak for one hit of the {POINTS[name]}, on the same images"

        def times(w: Floats, baseline: Bools = hits[name]) -> Floats:
            return ratio(w @ hits[PEAK], w @ baseline)

        figures.append(
            measure_figure(f"peak_over_{name}", meaning, times, groups=groups, is_share=False)
        )
    meaning = "hit rate of the peak minus twice that of the center; over 0: the bar is met"
    excess = hits[PEAK] - 2 * hits[CENTER].astype(float)
    figures.append(
        measure_figure(
            "peak_less_twice_center",
            meaning,
            lambda w: w @ excess / w.sum(-1),
            groups=groups,
            is_share=False,
        )
    )
    return figures


def _region_figures(films: Sequence[Localized], *, groups: list[str]) -> list[Figure]:
    hits = np.array([film.region_hits() for film in films], bool)
    named = np.array([bool(film.regions) for film in films], bool)
    covered = np.array([film.covered() for film in films])
    meaning = "a region holds the center of a box"
    return [
        _rate("regions", meaning, hits, groups=groups),
        _rate("regions_named", "images with any region", named, groups=groups),
        _rate(
            "regions_where_named",
            f"{meaning}, among images with a region",
            hits,
            groups=groups,
            among=named,
        ),
        measure_figure(
            "regions_cover",
            "mean share of the image that its regions cover, among images with a region: the hit "
            "rate of a random point",
            lambda w: ratio(w @ (covered * named), w @ named),
            groups=groups,
            among=named,
            is_share=False,
        ),
    ]


def refusals(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many films were refused, by reason code."""
    return dict(Counter(finding.reason.value for finding in findings if finding.reason))
