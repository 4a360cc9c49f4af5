"""Images for patches: the pixels that the device sees, whatever their size."""

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.preprocess import SPECS, preprocess
from bonefx_train.data.dataset import find_samples
from bonefx_train.patches.images import load_images
from bonefx_train.patches.sampler import LONGEST_PX


@pytest.fixture(name="samples_of")
def _samples_of(tmp_path):
    """Return a function that writes one image of a size a class and returns both."""

    def write(shape, suffix):
        rng = np.random.default_rng(0)
        for name in ("broken", "stable"):
            small = rng.integers(0, 256, (shape[0] // 4, shape[1] // 4), np.uint8)
            folder = tmp_path / name
            folder.mkdir()
            cv2.imwrite(str(folder / f"1{suffix}"), cv2.resize(small, shape[::-1]))
        return find_samples(tmp_path)[0]

    return write


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("shape", [(2048, 1400), (1024, 760)], ids=["4 times", "twice"])
def test_a_image_above_the_limit_is_made_smaller_as_the_device_does(samples_of, shape, suffix):
    """Both sizes end at LONGEST_PX: no second resize hides where the pixels come from."""
    samples = samples_of(shape, suffix)
    images, refused = load_images(samples, boxes={}, spec=SPECS["area-letterbox"])
    assert refused == []
    for image, sample in zip(images, samples, strict=True):
        device = decode(read_file(sample.path), allow_downscale=True)
        assert max(device.pixels.shape) == LONGEST_PX
        np.testing.assert_array_equal(image.pixels, device.pixels)
        spec = SPECS["stretch-letterbox"]
        seen = Radiograph(image.pixels, device.file_format, device.gray_mapping)
        np.testing.assert_array_equal(preprocess(seen, spec=spec), preprocess(device, spec=spec))


def test_a_spec_that_does_not_reduce_gets_the_whole_image(samples_of):
    samples = samples_of((1024, 760), ".jpg")
    images, _ = load_images(samples, boxes={}, spec=SPECS["seed"])
    whole = decode(read_file(samples[0].path)).pixels
    half = cv2.resize(whole, (380, 512), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(images[0].pixels, half)
