import numpy as np
import pytest
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.preprocess import SPECS, preprocess
from bonefx_train.data.dataset import load_dataset
from bonefx_train.data.pixels import load_pixels, to_network_range
from bonefx_train.errors import DataError


@pytest.fixture(name="images")
def _images(tmp_path, write_folders):
    return load_dataset(write_folders(tmp_path, ["stable", "broken"], images=6), seed=1).samples


@pytest.mark.parametrize(("spec", "dtype"), [("seed", np.float32), ("area", np.uint8)])
def test_the_pixels_are_those_of_the_device(images, spec, dtype):
    pixels = load_pixels(images, spec=SPECS[spec])
    assert pixels.x.shape == (12, 150, 150, 1)
    assert pixels.x.dtype == dtype
    for row, sample in zip(pixels.x, pixels.samples, strict=True):
        device = preprocess(decode(read_file(sample.path)), spec=SPECS[spec])
        np.testing.assert_array_equal(row, device[0])


def test_the_target_is_1_for_not_broken(images):
    pixels = load_pixels(images, spec=SPECS["area"])
    broken = [sample.key.startswith("broken/") for sample in pixels.samples]
    np.testing.assert_array_equal(pixels.class_index, [0 if b else 1 for b in broken])
    np.testing.assert_array_equal(pixels.fractured, broken)


def test_a_file_that_is_no_image_is_listed_and_the_others_are_read(images):
    images[3].path.write_bytes(b"no picture at all")
    images[5].path.write_bytes(b"")
    pixels = load_pixels(images, spec=SPECS["area"])
    assert pixels.refused == ((images[3].key, "not_an_image"), (images[5].key, "empty"))
    assert pixels.samples == tuple(image for i, image in enumerate(images) if i not in (3, 5))
    assert len(pixels.x) == len(pixels.class_index) == 10


def test_no_readable_image_at_all_is_an_error(images):
    for image in images:
        image.path.unlink()
    with pytest.raises(DataError, match=r"12 refused.*check the data path"):
        load_pixels(images, spec=SPECS["area"])


def test_uint8_and_float_pixels_reach_the_network_in_one_range():
    gray = np.array([0, 51, 255], np.uint8)
    np.testing.assert_array_equal(to_network_range(gray), np.float32([0, 0.2, 1]))
    unit = np.float32([0, 0.2, 1])
    np.testing.assert_array_equal(to_network_range(unit), unit)


@pytest.mark.parametrize(
    "wrong",
    [np.float32([0, 255]), np.float32([-0.1, 1]), np.float64([0, 1]), np.float32([0, np.nan])],
    ids=["not divided", "negative", "float64", "nan"],
)
def test_pixels_in_another_range_never_reach_the_network(wrong):
    with pytest.raises(DataError, match="expected uint8 or float32"):
        to_network_range(wrong)
