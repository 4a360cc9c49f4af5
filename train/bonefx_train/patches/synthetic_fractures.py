"""Synthetic displaced fractures: a bone in a patch is cut, and what lies beyond is moved.

A shaft whose ends stand apart is what any clinician sees first, and rare in FracAtlas: a network
fitted on its fractures alone passes over it (docs/decisions/0016-synthetic-fractures.md).
"""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTHS_PX: Final = (7, 38)
"""Of bones that are cut, in pixels of the patch: narrower ones show no ends, wider ones are limbs
or trunks."""
EDGE_PX: Final = 22
"""No place is drawn nearer to the edge of the patch; the middle of the bone there may be."""
REACH_PX: Final = 34
"""From the middle of a bone, how far its edges are looked for."""
LEAST_SLOPE: Final = 1.0
"""Gray levels per pixel at both edges of a bone, smoothed."""
LEAST_CONTRAST: Final = 12.0
"""Gray levels between a bone and what is beside it."""
LEAST_OUTSIDE: Final = 10.0
"""Gray level beside a bone: beside the edge of the exposed field it is 0."""
MOST_INSIDE: Final = 246.0
"""Mean gray level of a bone: metal, letters and white margins are above."""
LEAST_SHIFT_PX: Final = 2.0
"""Somewhere at the cut the ends stand at least this far apart, or nobody could see it."""
TURN_SD: Final = 9.0
"""Of the angle between the parts, degrees."""
SLANT_SD: Final = 25.0
"""Of the cut against straight across, degrees; at most MOST_SLANT."""
MOST_SLANT: Final = 55.0
FADES_ALONG: Final = 0.5
"""Chance that the far joint stays in place."""
BENT_SHARE_OF_MOVE: Final = 0.8
"""A bent bone is moved by this much of what a cut one is."""

Gray = NDArray[np.uint8]
Field = NDArray[np.float32]


class Site(NamedTuple):
    """Where a bone is cut."""

    center: NDArray[np.float64]
    """(2,), x and y of the middle of the bone, pixels of the patch."""
    along: NDArray[np.float64]
    """(2,), unit vector along the bone."""
    width: float
    """Of the bone, pixels."""
    outside: float
    """Gray level beside it."""


class Move(NamedTuple):
    """What a pixel of the new patch shows lay this much further in the old one, pixels."""

    along: Field
    across: Field


class _Frame:
    """The patch's pixels in the bone's own directions, zero at the place of the cut."""

    def __init__(self, patch: Gray, site: Site) -> None:
        y, x = (np.asarray(each) for each in np.indices(patch.shape, np.float32))
        self._patch, self._site = patch, site
        self._x, self._y = x, y
        dx, dy = x - np.float32(site.center[0]), y - np.float32(site.center[1])
        (ax, ay), (bx, by) = site.along, self._sideways
        self.along: Field = (dx * ax + dy * ay).astype(np.float32)
        self.across: Field = (dx * bx + dy * by).astype(np.float32)

    @property
    def _sideways(self) -> tuple[float, float]:
        return -float(self._site.along[1]), float(self._site.along[0])

    def pull(self, move: Move) -> Field:
        """Return the patch with each pixel taken from where `move` says."""
        (ax, ay), (bx, by) = self._site.along, self._sideways
        x = self._x + move.along * ax + move.across * bx
        y = self._y + move.along * ay + move.across * by
        moved = cv2.remap(
            self._patch, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return moved.astype(np.float32)


def break_bone(patch: Gray, rng: np.random.Generator) -> tuple[Gray, NDArray[np.float64]] | None:
    """Return a patch of an image without fracture with a displaced one; None if no bone is found.

    uint8 (height, width), and the rectangle around the fracture: (2, 2), low and high corner (x, y)
    in patch pixels, inside the patch.
    """
    site = _find_bone(patch, rng)
    if site is None:
        return None
    frame = _Frame(patch, site)
    move, sideways = _draw_move(frame, site.width, rng, scale=1.0)
    at_cut = (np.abs(frame.along) < 0.5 * site.width) & (np.abs(frame.across) < 0.6 * site.width)
    if np.hypot(move.along, move.across)[at_cut].max(initial=0.0) < LEAST_SHIFT_PX:
        return None
    bone = np.maximum(
        _fade(np.abs(frame.across), 0.58 * site.width, over=0.25 * site.width),
        _fade(np.abs(frame.across - sideways), 0.58 * site.width, over=0.25 * site.width),
    ) * _fade(np.abs(frame.along), 1.2 * site.width, over=0.8 * site.width)
    # Bone is cut; the flesh around it follows the same displacement without a cut.
    flesh = _bend(frame, move, half=0.9 * site.width)
    broken = bone * _cut(patch, frame, move, site, rng) + (1 - bone) * flesh
    size = np.array(patch.shape[::-1])
    half = 0.75 * site.width
    rectangle = np.clip([site.center - half, site.center + half], 0, size)
    return np.rint(np.clip(broken, 0, 255)).astype(np.uint8), rectangle


def bend_bone(patch: Gray, rng: np.random.Generator) -> Gray:
    """Return the patch with a bone displaced much as by `break_bone`, but bent instead of cut.

    Some patches without fracture are shown so: else a network could learn the traces of warping
    instead of the cut. The patch as it is where no bone is found.
    """
    site = _find_bone(patch, rng)
    if site is None:
        return patch
    frame = _Frame(patch, site)
    move, _ = _draw_move(frame, site.width, rng, scale=BENT_SHARE_OF_MOVE)
    return np.rint(_bend(frame, move, half=1.5 * site.width)).astype(np.uint8)


def _find_bone(patch: Gray, rng: np.random.Generator) -> Site | None:
    """Return a place on a bright band with two parallel edges, drawn by how clear it is.

    The directions are those of the structure tensor (Bigun and Granlund, ICCV 1987).
    """
    smooth = cv2.GaussianBlur(patch, (0, 0), 1.5).astype(np.float32)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    xx, xy, yy = (cv2.GaussianBlur(part, (0, 0), 7) for part in (dx * dx, dx * dy, dy * dy))
    energy = xx + yy
    coherence = np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (energy + 50)
    broad = np.asarray(cv2.GaussianBlur(smooth, (0, 0), 4), np.float32)
    dark, bright = np.percentile(broad, [30, 98])
    brightness = np.clip((broad - dark) / (bright - dark + 1), 0, 1)
    weight = (brightness * np.clip(coherence - 0.35, 0, 1) * np.sqrt(energy)).astype(np.float64)
    weight[:EDGE_PX], weight[-EDGE_PX:], weight[:, :EDGE_PX], weight[:, -EDGE_PX:] = 0, 0, 0, 0
    if not weight.sum() > 0:
        return None
    y, x = divmod(int(rng.choice(weight.size, p=weight.ravel() / weight.sum())), patch.shape[1])
    angle = 0.5 * math.atan2(2 * xy[y, x], xx[y, x] - yy[y, x])  # of the slope: across the bone
    angle += math.pi * int(rng.integers(2))  # decides which part is moved
    across = np.array([math.cos(angle), math.sin(angle)])
    return _measure_bone(broad, np.array([x, y], np.float64), across)


def _measure_bone(
    smooth: Field, near: NDArray[np.float64], across: NDArray[np.float64]
) -> Site | None:
    """Return the bone through `near`, between the steepest falls of brightness on either side."""
    steps = np.arange(-REACH_PX - 3, REACH_PX + 4)
    x, y = (near[i] + steps * across[i] for i in range(2))
    profile = cv2.remap(
        smooth, x.astype(np.float32)[np.newaxis], y.astype(np.float32)[np.newaxis],
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )[0]  # fmt: skip
    middle = len(steps) // 2
    slope = np.gradient(profile)
    right, left = slope[middle + 3 : -1], -slope[1 : middle - 2][::-1]
    to_right, to_left = int(np.argmin(right)) + 3, int(np.argmin(left)) + 3
    width = to_right + to_left
    inside = float(profile[middle - to_left : middle + to_right].mean())
    beside = np.clip([middle - to_left - 4, middle + to_right + 4], 0, len(profile) - 1)
    outside = float(profile[beside].min())
    steep = max(right.min(), left.min()) <= -LEAST_SLOPE
    gray = outside >= LEAST_OUTSIDE and inside <= MOST_INSIDE and inside - outside >= LEAST_CONTRAST
    if not (steep and gray and WIDTHS_PX[0] <= width <= WIDTHS_PX[1]):
        return None
    center = near + across * (to_right - to_left) / 2
    return Site(center, np.array([-across[1], across[0]]), float(width), outside)


def _draw_move(
    frame: _Frame, width: float, rng: np.random.Generator, *, scale: float
) -> tuple[Move, float]:
    """Return how the part with `along` > 0 is moved, and how far sideways, pixels.

    A rigid motion around the place of the cut, that fades across the limb and, half the time, along
    it: the far joint stays in place then.
    """
    turn = math.radians(rng.normal(0, TURN_SD)) * scale
    sideways = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.08, 0.75) * width * scale)
    apart = rng.uniform(-0.4, 0.12) * width * scale  # muscles pull the ends over one another
    u, t = frame.along, frame.across
    from_u, from_t = u - apart, t - sideways
    du = math.cos(turn) * from_u + math.sin(turn) * from_t - u
    dt = -math.sin(turn) * from_u + math.cos(turn) * from_t - t
    share = _ease(
        _fade(np.abs(t - sideways / 2), rng.uniform(0.7, 1.0) * width,
              over=rng.uniform(1.2, 2.5) * width)
    )  # fmt: skip
    if rng.random() < FADES_ALONG:
        share = share * _fade(u, rng.uniform(1.2, 3.0) * width, over=2 * width)
    share = share * _fade(-u, 0.6 * width, over=0.8 * width)
    return Move(du * share, dt * share), sideways


def _cut(
    patch: Gray, frame: _Frame, move: Move, site: Site, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the patch cut in two: where the parts overlap the brighter, in the gap what is beside.

    The cut is slanted and rippled, as bone breaks.
    """
    slant = math.tan(math.radians(np.clip(rng.normal(0, SLANT_SD), -MOST_SLANT, MOST_SLANT)))
    heights = rng.uniform(0.03, 0.1, 3) * site.width * rng.choice([-1.0, 1.0], 3) / 1.5
    rates = rng.uniform(0.4, 2.2, 3) * 2 * math.pi / site.width
    phases = rng.uniform(0, 2 * math.pi, 3)

    def beyond(u: Field, t: Field) -> Field:
        """Return the share of each pixel that lies beyond the cut, [0, 1]."""
        ripple = sum(h * np.sin(r * t + p) for h, r, p in zip(heights, rates, phases, strict=True))
        return np.asarray(np.clip(0.5 + u - slant * t - ripple, 0, 1), np.float32)

    fixed = 1 - beyond(frame.along, frame.across)
    moved = beyond(frame.along + move.along, frame.across + move.across)
    still, shifted = patch.astype(np.float32), frame.pull(move)
    thicker = np.clip(np.minimum(still, shifted) - site.outside, 0, None)
    overlap = np.maximum(still, shifted) + rng.uniform(0, 0.4) * thicker
    shine = site.outside + rng.uniform(0, 0.35) * np.clip(still - site.outside, 0, None)
    gap = np.minimum(cv2.GaussianBlur(still, (0, 0), 2), shine)
    return np.asarray(
        fixed * (1 - moved) * still
        + moved * (1 - fixed) * shifted
        + fixed * moved * overlap
        + (1 - fixed) * (1 - moved) * gap,
        np.float32,
    )


def _bend(frame: _Frame, move: Move, *, half: float) -> Field:
    """Return the patch moved by `move`, setting in smoothly from -half to half along the bone."""
    share = _ease(np.clip((frame.along + half) / (2 * half), 0, 1))
    return frame.pull(Move(move.along * share, move.across * share))


def _fade(x: Field, end: float, *, over: float) -> Field:
    """Return 1 up to `end`, then a linear fall to 0 at `end + over`."""
    return np.asarray(np.clip(1 - (x - end) / over, 0, 1), np.float32)


def _ease(share: Field) -> Field:
    """Return the same shares without corners at 0 and 1."""
    return share * share * (3 - 2 * share)
