"""Images that are copies: same bytes, same pixels, or one picture turned and altered."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from os import cpu_count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bonefx_train.audit.alignment import Agreement, agreement, peaks, signatures, spectrum
from bonefx_train.audit.image_stats import ImageStats
from bonefx_train.audit.thumbnails import Frame, Thumbnail
from bonefx_train.progress import track

NEIGHBORS: Final = 32
"""Images with the most similar signature that are looked at, per image and frame."""
CANDIDATE: Final = 0.80
"""Least correlation on the rings; copies reach 0.84 and more (docs/decisions/0013)."""
PROOF: Final = 0.88
"""Least correlation of the details; above it FracAtlas has only retouched or repeated exposures."""
BLOCK: Final = 1024
"""Images at a time: 1,024 x 10,000 similarities are 41 MB."""
PAIRS: Final = 4096
"""Pairs at a time: their spectra take 40 MB."""
BATCH: Final = 64
"""Alignments between two checks of what is already known to belong together."""


class Likeness(StrEnum):
    """In what two copies agree."""

    BYTES = "same bytes"
    PIXELS = "same pixels"
    NEAR = "near duplicate"


@dataclass(frozen=True, slots=True)
class Copy:
    """Two images that are one."""

    first: str
    """Key."""
    second: str
    """Key."""
    likeness: Likeness
    agreement: Agreement | None = None
    """How the first lies on the second, for near duplicates."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """All copies of one image."""

    keys: tuple[str, ...]
    """Two or more, sorted."""
    copies: tuple[Copy, ...]
    """Pairs that join them; not every pair that could be named."""


class Clusters:
    """Which images are known to belong together (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def leader(self, key: str) -> str:
        """Return the image that stands for all that belong to `key`: the first in the alphabet."""
        while (parent := self._parent.get(key, key)) != key:
            self._parent[key] = self._parent.get(parent, parent)
            key = parent
        return key

    def join(self, first: str, second: str) -> None:
        """Note that two images, and all that belong to them, belong together."""
        low, high = sorted((self.leader(first), self.leader(second)))
        self._parent[high] = low


def find_clusters(images: Sequence[ImageStats]) -> list[Cluster]:
    """Return the sets of copies among the images, the largest first."""
    known = Clusters()
    copies = _same(images, lambda image: image.sha256, Likeness.BYTES, known)
    copies += _same(images, lambda image: image.pixels_digest, Likeness.PIXELS, known)
    distinct = [image for image in images if known.leader(image.key) == image.key]
    copies += _near(distinct, known)
    members: dict[str, set[str]] = defaultdict(set)
    pairs: dict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        leader = known.leader(copy.first)
        members[leader] |= {copy.first, copy.second}
        pairs[leader].append(copy)
    found = [Cluster(tuple(sorted(members[key])), tuple(pairs[key])) for key in members]
    return sorted(found, key=lambda cluster: (-len(cluster.keys), cluster.keys))


def _same(
    images: Iterable[ImageStats],
    of: Callable[[ImageStats], str],
    likeness: Likeness,
    known: Clusters,
) -> list[Copy]:
    first: dict[str, str] = {}
    copies = []
    for image in images:
        other = first.setdefault(of(image), image.key)
        if known.leader(other) != known.leader(image.key):
            copies.append(Copy(other, image.key, likeness))
            known.join(other, image.key)
    return copies


def _near(images: Sequence[ImageStats], known: Clusters) -> list[Copy]:
    candidates = sorted(
        (pair for frame in Frame for pair in _candidates(images, frame)),
        key=lambda pair: (-pair[0], pair[1:]),
    )
    batches = [candidates[start : start + BATCH] for start in range(0, len(candidates), BATCH)]
    copies = []
    with ThreadPoolExecutor(cpu_count()) as pool:
        for batch in track(batches, label="comparing candidates"):
            pairs = [
                (images[i], images[j], frame)
                for _, i, j, frame in batch
                if known.leader(images[i].key) != known.leader(images[j].key)
            ]
            agreements = pool.map(lambda pair: _agree(*pair), pairs)
            for (first, second, _), found in zip(pairs, agreements, strict=True):
                apart = known.leader(first.key) != known.leader(second.key)
                if found.correlation >= PROOF and apart:
                    copies.append(Copy(first.key, second.key, Likeness.NEAR, found))
                    known.join(first.key, second.key)
    return copies


def _agree(first: ImageStats, second: ImageStats, frame: Frame) -> Agreement:
    return agreement(_thumbnail(first, frame), _thumbnail(second, frame))


def _thumbnail(image: ImageStats, frame: Frame) -> Thumbnail:
    return image.thumbnails.get(frame, image.thumbnails[Frame.CANVAS])


def _candidates(images: Sequence[ImageStats], frame: Frame) -> list[tuple[float, int, int, Frame]]:
    """Return (correlation on the rings, index, index, frame) of pairs that may be copies."""
    # An image without this frame is seen in CANVAS, and CANVAS with CANVAS is another call's pair.
    own = np.array([frame in image.thumbnails for image in images])
    if len(images) < 2 or not own.any():  # noqa: PLR2004 - a pair
        return []
    spectra = np.array(
        [
            spectrum(_thumbnail(image, frame))
            for image in track(images, label=f"spectra, {frame.name.lower()}")
        ]
    )
    pairs = _nearest(signatures(spectra))
    pairs = pairs[own[pairs].any(axis=1)]
    found = []
    for start in range(0, len(pairs), PAIRS):
        some = pairs[start : start + PAIRS]
        best = peaks(spectra[some[:, 0]], spectra[some[:, 1]])
        found += [
            (float(value), int(i), int(j), frame)
            for value, (i, j) in zip(best, some, strict=True)
            if value >= CANDIDATE
        ]
    return found


def _nearest(signature: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return (m, 2) the pairs i < j where one is among the nearest of the other."""
    count = min(NEIGHBORS, len(signature) - 1)
    pairs = []
    for start in track(range(0, len(signature), BLOCK), label="all pairs"):
        alike = signature[start : start + BLOCK] @ signature.T
        rows = np.arange(len(alike))
        alike[rows, rows + start] = -1  # not with itself
        nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        pairs.append(np.stack([np.repeat(rows + start, count), nearest.ravel()], axis=1))
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)
