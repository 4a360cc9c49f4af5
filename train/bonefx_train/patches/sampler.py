"""Patches: what the network is fitted on, square crops of images from a joint to the whole image.

A fracture takes up a thirteenth of an image: in the image shrunk to 150 pixels it is a few pixels
wide, and everything around it (which limb, which cassette, which hospital) is more telling. In
a crop around the fracture the fracture itself is what sets the classes apart.
"""

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

import cv2
import numpy as np
from bonefx_edge.inference.preprocess import Gray, InputSpec, stretch_percentiles
from numpy.typing import NDArray

from bonefx_train.data.boxes import Box
from bonefx_train.patches.affine import Matrix, cells_of, draw_matrix, extract_patch, project_box
from bonefx_train.patches.augment import augment_gray
from bonefx_train.patches.detector_style import detector_style
from bonefx_train.patches.synthetic_fractures import bend_bone, break_bone

LONGEST_PX: Final = 512
"""Images are kept at most this long: the resolution of tiled inference."""
FRACTURED_SHARE: Final = 0.4
"""Of the patches; images are 17 % fractured, and a fracture is in few of their crops."""
SYNTHETIC_SHARE: Final = 0.3
"""Of the patches with a fracture show a synthetic one, in an image without."""
MAX_BONELESS_IMAGES: Final = 10
"""Images in which no bone was found to break, before a fracture that is there is shown instead."""
BENT_SHARE: Final = 0.3
"""Of the patches without fracture are to have a bone bent; in about half of them one is found."""
WHOLE_SHARE: Final = 0.35
"""Of the patches show the whole image, about, where nobody says otherwise."""
UNLABELED_WHOLE_SHARE: Final = 0.5
"""The same of the patches for the input check: it is given whole images, but the tightly collimated
image of another hospital resembles a crop."""
BESIDE_SHARE: Final = 0.2
"""Of the crops without fracture come from fractured images, beside the boxes."""
SMALLEST_PX: Final = 90.0
"""Side of the smallest crop, in pixels of an image of `LONGEST_PX`."""
LARGEST_PX: Final = 330.0
"""Side of the largest crop that is not a whole image."""
AROUND_BOX: Final = 1.15
"""Least side of a crop around a fracture, in longest sides of its box."""
MIN_SHOWN_FRACTURED: Final = 0.6
"""Least share of a box inside the patch for the patch to count as fractured."""
MAX_SHOWN_NORMAL: Final = 0.1
"""Largest share of a box inside the patch for the patch to count as not fractured."""
PART_EXPONENT: Final = 0.7
"""Body parts are drawn in proportion to their fractured images to this power, for both classes:
which limb it is says little about fracture then, and rare limbs are not drawn to death."""
AIR_SHARE: Final = 0.1
"""Of the crops without fracture are taken anywhere; the others where there is detail, as there
is around every fracture: else "there is a bone" would pass for "there is a fracture"."""
DETAIL_CELLS: Final = 16
"""Along each side of the image, for `_detail`."""
MAX_TRIES: Final = 20
"""Per image, before another one is drawn."""


@dataclass(frozen=True, slots=True)
class LabeledImage:
    """One image in memory."""

    pixels: NDArray[np.uint8]
    """(height, width), at most LONGEST_PX long."""
    boxes: tuple[Box, ...]
    """Where the fractures are; none where nobody said."""
    fractured: bool
    body_part: str
    """Empty where unknown."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step of the optimizer sees."""

    x: NDArray[np.uint8]
    """(n, height, width, 1)."""
    class_index: NDArray[np.uint8]
    """(n,), 0 broken, 1 not broken."""
    cells: NDArray[np.float32]
    """(n, rows, columns, 1), see `cells_of`; [0, 1]."""
    cells_known: NDArray[np.float32]
    """(n,), 0 where a patch shows a fracture and nobody said where, else 1."""


class _Patch(NamedTuple):
    """One row of a batch."""

    pixels: NDArray[np.uint8]
    cells: NDArray[np.float32]
    fractured: bool
    cells_known: bool


class _Content(Enum):
    """What a patch is drawn for."""

    FRACTURE = auto()
    SYNTHETIC = auto()
    """A fracture made here, in an image that has none."""
    NOTHING = auto()


class PatchSampler:
    """Draws patches of images, classes and body parts balanced."""

    def __init__(
        self,
        images: list[LabeledImage],
        *,
        spec: InputSpec,
        whole_share: float = WHOLE_SHARE,
        style_share: float = 0.0,
    ) -> None:
        """Take images; the shares, [0, 1], are of patches, see `FitSettings`."""
        self._images = images
        self._spec = spec
        self._whole_share = whole_share
        self._style_share = style_share
        self._boxed = [i for i, image in enumerate(images) if image.boxes]
        self._detail = [_detail(image.pixels) for image in images]
        self._by_label = {
            fractured: [i for i, image in enumerate(images) if image.fractured is fractured]
            for fractured in (True, False)
        }
        self._chances = {label: self._balance(of) for label, of in self._by_label.items()}

    def draw(self, rng: np.random.Generator, *, n: int) -> Batch:
        """Return `n` patches."""
        patches = [self._patch(rng) for _ in range(n)]
        return Batch(
            x=np.stack([patch.pixels for patch in patches])[..., np.newaxis],
            class_index=np.array([not patch.fractured for patch in patches], np.uint8),
            cells=np.stack([patch.cells for patch in patches])[..., np.newaxis],
            cells_known=np.array([patch.cells_known for patch in patches], np.float32),
        )

    def draw_unlabeled(self, rng: np.random.Generator, *, n: int) -> NDArray[np.uint8]:
        """Return n patches, (n, height, width, 1), of images drawn alike, whatever they show.

        Some are whole images. Disturbed as other hospitals might, but no negatives, nothing broken
        or bent: patches of limbs for the input check.
        """
        patches = [self._unlabeled_patch(rng) for _ in range(n)]
        return np.stack(patches)[..., np.newaxis]

    def _unlabeled_patch(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        index = int(rng.integers(len(self._images)))
        if rng.random() < UNLABELED_WHOLE_SHARE:
            to_patch = self._whole(self._images[index], rng)
        else:
            to_patch = self._crop(index, rng, fractured=False)
        pixels = extract_patch(self._images[index].pixels, to_patch, spec=self._spec)
        return self._finish(augment_gray(pixels, rng, negatives=False))

    def _finish(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the patch as the device would give it to the network."""
        return stretch_percentiles(pixels) if self._spec.gray is Gray.STRETCH else pixels

    def _balance(self, of: list[int]) -> NDArray[np.float64]:
        fractured = Counter(image.body_part for image in self._images if image.fractured)
        parts = [self._images[i].body_part for i in of]
        here = Counter(parts)
        # Half an image for limbs that have none fractured: they are seen, but seldom.
        weights = np.array([max(fractured[p], 0.5) ** PART_EXPONENT / here[p] for p in parts])
        return np.asarray(weights / weights.sum(), np.float64)

    def _patch(self, rng: np.random.Generator) -> _Patch:
        content = _draw_content(rng)
        images = 0
        while True:  # ends: whole patches come up, which show an image's fractures or have none
            images += 1
            if images > MAX_BONELESS_IMAGES and content is _Content.SYNTHETIC:
                content = _Content.FRACTURE
            whole = bool(rng.random() < self._whole_share)
            can_be_beside = bool(self._boxed) and content is _Content.NOTHING and not whole
            beside = can_be_beside and rng.random() < BESIDE_SHARE
            index = self._image(rng, fractured=content is _Content.FRACTURE, beside=beside)
            for _ in range(MAX_TRIES):
                patch = self._try(index, rng, content=content, whole=whole)
                if patch is not None:
                    return patch

    def _image(self, rng: np.random.Generator, *, fractured: bool, beside: bool) -> int:
        """Return the index of an image, body parts balanced."""
        if beside:
            return int(rng.choice(self._boxed))
        return int(rng.choice(self._by_label[fractured], p=self._chances[fractured]))

    def _try(
        self, index: int, rng: np.random.Generator, *, content: _Content, whole: bool
    ) -> _Patch | None:
        """Return a patch of an image, or None where it does not show what it should."""
        image, spec = self._images[index], self._spec
        if whole or (content is _Content.FRACTURE and not image.boxes):
            # Where nobody said where the fracture is, no crop can be labelled.
            to_patch = self._whole(image, rng)
        else:
            to_patch = self._crop(index, rng, fractured=content is _Content.FRACTURE)
        seen = [project_box(box, image.pixels.shape, to_patch, spec=spec) for box in image.boxes]
        shown = max((share for share, _ in seen), default=float(image.fractured))
        if (
            (shown < MIN_SHOWN_FRACTURED)
            if content is _Content.FRACTURE
            else (shown > MAX_SHOWN_NORMAL)
        ):
            return None
        pixels = extract_patch(image.pixels, to_patch, spec=spec)
        rectangles = [rectangle for share, rectangle in seen if share > MAX_SHOWN_NORMAL]
        if content is _Content.SYNTHETIC:
            broken = break_bone(pixels, rng)
            if broken is None:
                return None
            pixels, rectangles = broken[0], [broken[1]]
        elif content is _Content.NOTHING and rng.random() < BENT_SHARE:
            pixels = bend_bone(pixels, rng)
        if rng.random() < self._style_share:
            pixels = detector_style(pixels, rng)
        pixels = self._finish(augment_gray(pixels, rng))
        fractured = content is not _Content.NOTHING
        return _Patch(
            pixels, cells_of(rectangles, spec=spec), fractured, bool(rectangles) or not fractured
        )

    def _whole(self, image: LabeledImage, rng: np.random.Generator) -> Matrix:
        height, width = image.pixels.shape
        side = max(height, width) * rng.uniform(0.8, 1.15)
        center = np.array([width, height]) / 2 + rng.uniform(-0.08, 0.08, 2) * side
        return draw_matrix(center, side, spec=self._spec, rng=rng)

    def _crop(self, index: int, rng: np.random.Generator, *, fractured: bool) -> Matrix:
        image = self._images[index]
        size = np.array(image.pixels.shape[::-1])  # width, height
        high = min(LARGEST_PX, float(size.max()))
        if fractured:
            box = image.boxes[rng.integers(len(image.boxes))]
            extent = np.array([box.right - box.left, box.bottom - box.top]) * size
            low = min(max(SMALLEST_PX, AROUND_BOX * extent.max()), high)
            side = _log_uniform(rng, low, high)
            middle = np.array([box.left + box.right, box.top + box.bottom]) / 2 * size
            # The box stays inside but for a sixth: a fracture may well be at the edge of a tile.
            room = np.maximum(side - extent, 0) / 2 + 0.15 * extent
        else:
            side = _log_uniform(rng, min(SMALLEST_PX, high), high)
            middle = self._draw_location(index, rng) * size
            room = np.full(2, 0.3 * side)
        center = middle + rng.uniform(-1, 1, 2) * room
        return draw_matrix(center, side, spec=self._spec, rng=rng)

    def _draw_location(self, index: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a place in an image, (x, y) as shares of its sides."""
        if rng.random() < AIR_SHARE:
            return rng.random(2)
        row, column = divmod(int(rng.choice(DETAIL_CELLS**2, p=self._detail[index])), DETAIL_CELLS)
        return (np.array([column, row]) + rng.random(2)) / DETAIL_CELLS


def _draw_content(rng: np.random.Generator) -> _Content:
    if rng.random() >= FRACTURED_SHARE:
        return _Content.NOTHING
    return _Content.SYNTHETIC if rng.random() < SYNTHETIC_SHARE else _Content.FRACTURE


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _detail(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how much there is to see in each cell of the image: (DETAIL_CELLS ** 2,), sum 1."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1.5).astype(np.float32)
    slope = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    margin = max(1, max(pixels.shape) // 24)  # edges of the cassette are no bones
    slope[:margin], slope[-margin:], slope[:, :margin], slope[:, -margin:] = 0, 0, 0, 0
    cells = cv2.resize(slope, (DETAIL_CELLS, DETAIL_CELLS), interpolation=cv2.INTER_AREA)
    weights = cells.astype(np.float64).ravel() ** 1.5 + 1e-6
    return np.asarray(weights / weights.sum(), np.float64)
