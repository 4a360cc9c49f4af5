"""The picture of a result: the film with its regions, and above it what the answer is."""

import textwrap
from typing import Final

import cv2
import numpy as np
from bonefx_edge import NOTICE
from bonefx_edge.inference.preprocess import downscale_to
from bonefx_edge.inference.regions import Rectangle
from numpy.typing import NDArray

from bonefx_dicom.results.content import WARNING, ResultContent

PICTURE_PX: Final = 1024
"""Longest side of the film in the picture."""
MIN_WIDTH_PX: Final = 512
"""Width that the text needs."""
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_MARGIN_PX: Final = 8
_LARGE: Final = 0.8
_SMALL: Final = 0.5
_FILLED: Final = 0.9
"""Of a line: the letters of one may be wider than those of the whole text."""
_STRIP_GRAY: Final = 30
_WHITE: Final = (255, 255, 255)
_YELLOW: Final = (255, 220, 0)
_EMPTY_PX: Final = (256, MIN_WIDTH_PX)
"""Height and width of the black area that stands for a film that cannot be shown."""


def draw_picture(
    pixels: NDArray[np.uint8] | None, content: ResultContent, *, film_shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the film with its regions as rectangles, below a strip with the answer.

    Parameters
    ----------
    pixels
        (height, width), the film as shown; None for one that cannot be decoded.
    film_shape
        (height, width) of the film whose pixels the regions count.

    Returns
    -------
    (h, w, 3) uint8, RGB. The film is at the left, shrunk to `PICTURE_PX`, never enlarged.
    """
    film = np.zeros(_EMPTY_PX, np.uint8) if pixels is None else pixels
    film = downscale_to(film, longest_px=PICTURE_PX)
    height, width = film.shape
    shown = np.repeat(film[..., None], 3, axis=-1)
    for number, region in enumerate(content.regions, start=1):
        scale = (width / film_shape[1], height / film_shape[0])
        _draw_region(shown, region, scale, str(number))
    strip_width = max(width, MIN_WIDTH_PX)
    above = _strip(
        [
            (WARNING.upper(), _LARGE, _YELLOW),
            (content.headline, _LARGE, _WHITE),
            (content.explanation, _SMALL, _WHITE),
            (f"Model {content.model}", _SMALL, _WHITE),
        ],
        strip_width,
    )
    below = _strip([(NOTICE, _SMALL, _WHITE)], strip_width)
    picture = np.zeros((len(above) + height + len(below), strip_width, 3), np.uint8)
    picture[: len(above)] = above
    picture[len(above) : len(above) + height, :width] = shown
    picture[len(above) + height :] = below
    return picture


def _draw_region(
    shown: NDArray[np.uint8], region: Rectangle, scale: tuple[float, float], name: str
) -> None:
    """Draw a rectangle, its edges inside the film, and its number."""
    height, width = shown.shape[:2]
    left, top = round(region[0] * scale[0]), round(region[1] * scale[1])
    right = min(round(region[2] * scale[0]), width) - 1
    bottom = min(round(region[3] * scale[1]), height) - 1
    cv2.rectangle(shown, (left, top), (right, bottom), _YELLOW, 2)
    origin = (left + _MARGIN_PX, top + 4 * _MARGIN_PX)
    cv2.putText(shown, name, origin, _FONT, _LARGE, _YELLOW, 2, cv2.LINE_AA)


def _strip(texts: list[tuple[str, float, tuple[int, int, int]]], width: int) -> NDArray[np.uint8]:
    """Return texts below each other on a strip of that width, (height, width, 3)."""
    lines = []
    for text, scale, color in texts:
        (text_width, ascent), descent = cv2.getTextSize(text, _FONT, scale, 1)
        letters = int(_FILLED * (width - 2 * _MARGIN_PX) * len(text) / text_width)
        lines += [
            (line, scale, color, ascent, ascent + descent + _MARGIN_PX)
            for line in textwrap.wrap(text, letters)
        ]
    height = _MARGIN_PX + sum(pitch for *_, pitch in lines)
    strip = np.full((height, width, 3), _STRIP_GRAY, np.uint8)
    top = _MARGIN_PX
    for line, scale, color, ascent, pitch in lines:
        origin = (_MARGIN_PX, top + ascent)
        cv2.putText(strip, line, origin, _FONT, scale, color, 1, cv2.LINE_AA)
        top += pitch
    return strip
