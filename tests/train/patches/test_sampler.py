import dataclasses

import numpy as np
import pytest
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_train.data.boxes import Box
from bonefx_train.patches.affine import cells_of, draw_matrix, extract_patch, project_box
from bonefx_train.patches.sampler import FRACTURED_SHARE, LabeledImage, PatchSampler

SPEC = InputSpec(height=96, width=96)


def speckled(seed=0, shape=(300, 240)):
    return np.random.default_rng(seed).integers(40, 90, shape).astype(np.uint8)


SHOWN_AT_LEAST, HIDDEN_AT_MOST = 0.6, 0.1
"""Promised shares of the fracture: not read from the module, whose constants are under test."""


INSIDE = Box(0.40, 0.55, 0.55, 0.65)


def image_with_white_fracture(seed=0, box=INSIDE):
    """White nowhere but inside the box."""
    pixels = speckled(seed)
    top, bottom, left, right = (
        round(share) for share in (box.top * 300, box.bottom * 300, box.left * 240, box.right * 240)
    )
    pixels[top:bottom, left:right] = 255
    return LabeledImage(pixels, (box,), fractured=True, body_part="hand")


def intact(seed=0, body_part="hand"):
    return LabeledImage(speckled(seed), (), fractured=False, body_part=body_part)


@pytest.fixture(autouse=True)
def _real_fractures_only(monkeypatch):
    """Synthetic ones are the matter of test_synthetic.py."""
    monkeypatch.setattr("bonefx_train.patches.sampler.SYNTHETIC_SHARE", 0.0)
    monkeypatch.setattr("bonefx_train.patches.sampler.BENT_SHARE", 0.0)


@pytest.fixture(name="undisturbed")
def _undisturbed(monkeypatch):
    monkeypatch.setattr("bonefx_train.patches.sampler.augment_gray", lambda patch, _: patch)


def draw(images, *, n=300, seed=0):
    return PatchSampler(images, spec=SPEC).draw(np.random.default_rng(seed), n=n)


def test_views_are_network_input_and_every_draw_depends_on_the_seed_alone():
    images = [image_with_white_fracture(), intact(1), intact(2)]
    a, b, c = draw(images, n=40), draw(images, n=40), draw(images, n=40, seed=1)
    assert (a.x.shape, a.x.dtype) == ((40, 96, 96, 1), np.uint8)
    assert (a.cells.shape, a.cells.dtype) == ((40, 3, 3, 1), np.float32)
    for name in (field.name for field in dataclasses.fields(a)):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert not np.array_equal(a.x, c.x)


IN_THE_CORNER = Box(0.0, 0.0, 0.3, 0.2)
"""Often cut by the edge of a patch, that of a whole image too."""
LARGE = Box(0.4, 0.4, 0.9, 0.8)
"""Hard to keep out of a patch."""


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.parametrize("box", [IN_THE_CORNER, LARGE], ids=["in the corner", "large"])
def test_a_view_called_broken_shows_most_of_a_fracture_and_any_other_view_next_to_none(
    monkeypatch, box
):
    drawn = []

    def spy(pixels, to_patch, *, spec):
        drawn.append(to_patch)
        return extract_patch(pixels, to_patch, spec=spec)

    monkeypatch.setattr("bonefx_train.patches.sampler.extract_patch", spy)
    batch = draw([image_with_white_fracture(box=box), intact(1)], n=600)
    area = (box.right - box.left) * 240 * (box.bottom - box.top) * 300
    of_view = [area * abs(np.linalg.det(to_patch[:, :2])) for to_patch in drawn]
    # White from half way on: an edge that runs through a pixel counts it or not, no bias.
    shown = (batch.x > 172).sum(axis=(1, 2, 3)) / of_view
    broken = batch.class_index == 0
    # A box of 23 x 19 pixels, as the whole image shows it, is 437: some 10 along a cut are a 40th.
    assert shown[broken].min() > SHOWN_AT_LEAST - 0.025
    assert shown[~broken].max() < HIDDEN_AT_MOST + 0.025
    # Patches are made that come near either bound, so a bound that gives way is seen here.
    assert shown[broken].min() < SHOWN_AT_LEAST + 0.15
    # Pieces beside the fracture are among the intact ones: those images teach what it is not.
    assert (~broken).mean() == pytest.approx(1 - FRACTURED_SHARE, abs=0.08)


@pytest.mark.usefixtures("undisturbed")
def test_the_map_is_hot_where_the_fracture_is_and_cold_in_every_other_view():
    batch = draw([image_with_white_fracture(), intact(1)])
    broken = batch.class_index == 0
    assert not batch.cells[~broken].any()
    for x, cells in zip(batch.x[broken], batch.cells[broken], strict=True):
        white = (x[..., 0] == 255).reshape(3, 32, 3, 32).sum(axis=(1, 3))
        hottest = np.unravel_index(white.argmax(), white.shape)
        assert cells[(*hottest, 0)] > 0.2
    assert batch.cells.min() >= 0
    assert batch.cells.max() <= 1
    assert batch.cells_known.all()


def test_a_fractured_image_without_boxes_is_shown_whole_and_its_map_is_not_taught():
    unboxed = dataclasses.replace(image_with_white_fracture(), boxes=())
    batch = draw([unboxed, intact(1)])
    np.testing.assert_array_equal(batch.cells_known == 0, batch.class_index == 0)
    assert not batch.cells.any()


def test_body_parts_are_drawn_alike_for_both_classes():
    """All legs are intact, all hands broken: patches of legs must become rare, not half of all."""
    images = [image_with_white_fracture(i) for i in range(4)]
    images += [intact(i, "leg") for i in range(40)]
    images += [intact(100 + i) for i in range(2)]
    sampler = PatchSampler(images, spec=SPEC)
    rng = np.random.default_rng(0)
    drawn = [images[sampler._image(rng, fractured=False, beside=False)] for _ in range(500)]
    assert np.mean([image.body_part == "leg" for image in drawn]) < 0.3


def test_an_upright_view_is_the_image_itself_and_boxes_keep_their_place():
    image = speckled(3, (96, 96))
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(extract_patch(image, identity, spec=SPEC), image)
    share, inner = project_box(Box(0.5, 0.25, 0.75, 0.5), image.shape, identity, spec=SPEC)
    assert share == 1.0
    np.testing.assert_allclose(inner, [[48, 24], [72, 48]])
    shifted = identity + np.array([[0, 0, -60], [0, 0, 0]])
    share, inner = project_box(Box(0.5, 0.25, 0.75, 0.5), image.shape, shifted, spec=SPEC)
    assert share == pytest.approx(0.5)  # 48..72 becomes -12..12
    np.testing.assert_allclose(inner, [[0, 24], [12, 48]])


def test_a_view_of_more_image_than_it_has_pixels_is_averaged_not_picked():
    checkers = np.indices((384, 384)).sum(axis=0) % 2 * 255
    quarter = np.array([[0.25, 0, 0], [0, 0.25, 0]])
    patch = extract_patch(checkers.astype(np.uint8), quarter, spec=SPEC)
    # Picking single pixels would give 0 or 255.
    assert abs(patch[8:-8, 8:-8].astype(float) - 127.5).max() < 40


def test_a_turned_view_keeps_the_size_of_the_image():
    rng = np.random.default_rng(0)
    for _ in range(50):
        matrix = draw_matrix(np.array([120.0, 150.0]), 96.0, spec=SPEC, rng=rng)
        # Stretch takes from one side what it gives to the other: the area stays.
        assert abs(np.linalg.det(matrix[:, :2])) == pytest.approx(1)
        np.testing.assert_allclose(matrix @ [120.0, 150.0, 1.0], [48, 48])


def test_cells_are_shares_of_the_smaller_of_cell_and_box():
    small_inside_one = np.array([[34.0, 2.0], [44.0, 12.0]])
    np.testing.assert_allclose(
        cells_of([small_inside_one], spec=SPEC), [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    )
    half_of_four = np.array([[16.0, 0.0], [48.0, 64.0]])
    np.testing.assert_allclose(
        cells_of([half_of_four], spec=SPEC), [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]
    )


def test_views_for_the_input_check_show_any_image_and_are_never_negatives(monkeypatch):
    images = [image_with_white_fracture(), intact(1), intact(2)]
    sampler = PatchSampler(images, spec=SPEC)
    patches, again = (sampler.draw_unlabeled(np.random.default_rng(0), n=40) for _ in range(2))
    assert (patches.shape, patches.dtype) == ((40, 96, 96, 1), np.uint8)
    np.testing.assert_array_equal(patches, again)

    def invert(*_):
        raise AssertionError

    monkeypatch.setattr("bonefx_train.patches.augment._invert", invert)
    sampler.draw_unlabeled(np.random.default_rng(0), n=200)
    with pytest.raises(AssertionError):  # the patches that are fitted on are, now and then
        sampler.draw(np.random.default_rng(0), n=200)
