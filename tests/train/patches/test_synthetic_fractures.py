"""A bone drawn by hand is cut, so that what a displaced fracture looks like is known."""

import numpy as np
import pytest
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_train.patches import sampler as patches
from bonefx_train.patches.sampler import LabeledImage, PatchSampler
from bonefx_train.patches.synthetic_fractures import bend_bone, break_bone

SIDE = 150
BONE, FLESH, AIR = 170, 80, 30


def limb(*, bone=16, flesh=60):
    """Return an upright limb: a bright band in a gray one, edges as soft as a detector's."""
    across = np.abs(np.arange(SIDE) - 74.5)
    row = np.full(SIDE, AIR, float)
    row += (FLESH - AIR) * np.clip((flesh / 2 - across) / 3 + 0.5, 0, 1)
    row += (BONE - FLESH) * np.clip((bone / 2 - across) / 3 + 0.5, 0, 1)
    noise = np.random.default_rng(0).normal(0, 1.5, (SIDE, SIDE))
    return np.clip(row + noise, 0, 255).astype(np.uint8)


def middles(patch):
    """Return x of the middle of what is bright in each row; NaN where nothing is."""
    bright = np.clip(patch.astype(float) - 110, 0, None)
    weight = bright.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(weight > 100, (bright * np.arange(SIDE)).sum(axis=1) / weight, np.nan)


def largest_step(patch):
    """Return the largest step of the bone's middle from row to row, pixels; inf at a gap."""
    steps = np.abs(np.diff(middles(patch)))
    return np.inf if np.isnan(steps).any() else steps.max()


@pytest.fixture(name="broken", scope="module")
def _broken():
    """Return what came of forty draws in which a bone was found: patch and rectangle."""
    found = [break_bone(limb(), np.random.default_rng(seed)) for seed in range(60)]
    return [each for each in found if each is not None][:40]


def test_in_the_rectangle_something_is_plainly_different(broken):
    assert len(broken) == 40
    for patch, (low, high) in broken:
        assert (patch.shape, patch.dtype) == ((SIDE, SIDE), np.uint8)
        assert (low >= 0).all()
        assert (high <= SIDE).all()
        rows, columns = (slice(int(low[i]), int(np.ceil(high[i]))) for i in (1, 0))
        assert (np.abs(patch.astype(int) - limb()) > 40)[rows, columns].sum() > 5


def test_most_broken_bones_have_a_step_or_a_gap_and_no_bent_bone_has(broken):
    """A bone that is bent goes on from row to row: by 0.7 pixels at most."""
    bent = [bend_bone(limb(), np.random.default_rng(seed)) for seed in range(40)]
    assert max(largest_step(patch) for patch in bent) < 0.7
    assert np.mean([largest_step(patch) > 0.7 for patch, _ in broken]) > 0.75
    moved = [np.nanmax(np.abs(middles(patch) - 74.5)) for patch in bent]
    assert np.median(moved) > 1.0


def test_the_flesh_around_is_moved_but_not_cut(broken):
    """Else the cut could be told by the skin, which no fracture shows."""
    edges = []
    for patch, (low, high) in broken:
        if high[0] - low[0] > 40:  # the whole limb was taken for a bone
            continue
        flesh = patch > (FLESH + AIR) / 2
        edges.append(flesh.argmax(axis=1))  # left edge of the limb
        assert np.abs(np.diff(edges[-1])).max() <= 5  # steep at most, where a cut would jump by 10
    assert len(edges) > 25
    assert np.mean([np.ptp(edge) >= 2 for edge in edges]) > 0.3


@pytest.mark.parametrize(
    "patch",
    [
        np.full((SIDE, SIDE), 90, np.uint8),
        np.zeros((SIDE, SIDE), np.uint8),
        np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.uint8),
        limb(bone=90, flesh=130),
    ],
    ids=["even", "black", "noise", "trunk"],
)
def test_where_no_bone_is_found_nothing_is_broken_or_bent(patch):
    for seed in range(10):
        assert break_bone(patch, np.random.default_rng(seed)) is None
        np.testing.assert_array_equal(bend_bone(patch, np.random.default_rng(seed)), patch)


def test_the_same_draw_gives_the_same_fracture():
    a, b = (break_bone(limb(), np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


def images():
    long = np.repeat(np.repeat(limb(), 2, axis=0), 2, axis=1)
    real = LabeledImage(np.full_like(long, 60), (), fractured=True, body_part="leg")
    return [real, *(LabeledImage(long, (), fractured=False, body_part="leg") for _ in range(3))]


def draw(sampler_images, *, n=200):
    spec = InputSpec(height=SIDE, width=SIDE)
    return PatchSampler(sampler_images, spec=spec).draw(np.random.default_rng(0), n=n)


@pytest.fixture(name="undisturbed")
def _undisturbed(monkeypatch):
    monkeypatch.setattr("bonefx_train.patches.sampler.augment_gray", lambda patch, _: patch)


@pytest.mark.usefixtures("undisturbed")
def test_views_of_synthetic_fractures_are_called_broken_and_say_where():
    """The one image with a fracture here has no boxes: what says where is synthetic."""
    batch = draw(images())
    broken = batch.class_index == 0
    made = broken & (batch.cells_known == 1)
    share = made.sum() / broken.sum()
    assert share == pytest.approx(patches.SYNTHETIC_SHARE, abs=0.15)
    assert (batch.cells[made].max(axis=(1, 2, 3)) > 0.2).all()  # a quarter, where four cells meet
    assert (batch.cells[~broken] == 0).all()


@pytest.mark.usefixtures("undisturbed")
def test_images_without_bones_are_drawn_as_before():
    flat = np.full((300, 300), 90, np.uint8)
    boneless = [LabeledImage(flat, (), fractured=f, body_part="") for f in (True, False)]
    batch = draw(boneless, n=60)
    assert (batch.class_index == 0).mean() == pytest.approx(patches.FRACTURED_SHARE, abs=0.2)
    assert (batch.cells == 0).all()
