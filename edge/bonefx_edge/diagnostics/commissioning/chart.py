"""The scores of the site's films as a chart: inline SVG, no script, readable in print."""

from collections.abc import Sequence
from typing import Final

from bonefx_edge.inference.score_scale import FRACTURE_FROM, UNCERTAIN_FROM

BINS: Final = 100
"""Bars along the score, 0 to 1: no bar lies on both sides of a threshold."""
WIDTH: Final = 720
"""Of the drawing, in its units, as are the following."""
HALF_HEIGHT: Final = 110
"""For each class."""
LABELS: Final = 44
"""Height of the labels above and below."""
_BAR: Final = 6
_GAP: Final = 8
"""Between the highest bar and the edge."""
_LEFT: Final = 60
_COLORS: Final = {"normal": "#1f5fa8", "fractured": "#c8590a"}
_BANDS: Final = (
    (0.0, UNCERTAIN_FROM, "no fracture", "#e4efe4"),
    (UNCERTAIN_FROM, FRACTURE_FROM, "uncertain", "#f3f0dc"),
    (FRACTURE_FROM, 1.0, "fracture", "#f6e2d8"),
)


def draw_scores(normal: Sequence[float], fractured: Sequence[float]) -> str:
    """Return an SVG element: normal films as bars upwards, fractured ones downwards.

    Parameters
    ----------
    normal, fractured
        Scores on the scale of the site, [0, 1]; the second may be empty.
    """
    classes = [("normal", normal), *([("fractured", fractured)] if fractured else [])]
    counts = {name: _histogram(scores) for name, scores in classes}
    highest = max(max(row) for row in counts.values()) or 1
    bottom = LABELS // 2 + HALF_HEIGHT * len(classes)
    middle = LABELS // 2 + HALF_HEIGHT
    parts = [_band(low, high, name, color, bottom) for low, high, name, color in _BANDS]
    for name, row in counts.items():
        for i, count in enumerate(row):
            height = count / highest * (HALF_HEIGHT - _GAP)
            top = middle - height if name == "normal" else middle
            if count:
                parts.append(_rectangle(_x(i / BINS), top, _BAR, height, _COLORS[name]))
        y = middle - HALF_HEIGHT / 2 if name == "normal" else middle + HALF_HEIGHT / 2
        parts.append(_text(0, y, name, anchor="start", color=_COLORS[name]))
    parts.append(f'<path d="M{_LEFT} {middle}H{WIDTH}" stroke="#444"/>')
    ticks = (0.0, UNCERTAIN_FROM, FRACTURE_FROM, 1.0)
    parts += [_text(_x(score), bottom + 16, f"{score:g}") for score in ticks]
    height = bottom + LABELS // 2
    title = "Histogram of the scores; thresholds at 0.33 and 0.67"
    return (
        f'<svg viewBox="0 0 {WIDTH + 20} {height}" width="100%" role="img" '
        f'aria-label="{title}"><title>{title}</title>{"".join(parts)}</svg>'
    )


def _histogram(scores: Sequence[float]) -> list[int]:
    counts = [0] * BINS
    for score in scores:
        counts[min(BINS - 1, int(score * BINS))] += 1
    return counts


def _band(low: float, high: float, name: str, color: str, bottom: float) -> str:
    top = LABELS // 2
    shape = _rectangle(_x(low), top, _x(high) - _x(low), bottom - top, color)
    return shape + _text((_x(low) + _x(high)) / 2, top - 6, name)


def _x(score: float) -> float:
    return _LEFT + score * (WIDTH - _LEFT)


def _rectangle(x: float, y: float, width: float, height: float, color: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"/>'
    )


def _text(x: float, y: float, words: str, *, anchor: str = "middle", color: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{words}</text>'
