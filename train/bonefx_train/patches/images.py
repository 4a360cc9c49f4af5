"""Read images for patches: decoded by the device's code, shrunk, with their boxes, in memory."""

from collections.abc import Mapping, Sequence

from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.inference.preprocess import InputSpec, downscale_to

from bonefx_train.data.boxes import Box
from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.patches.sampler import LONGEST_PX, LabeledImage
from bonefx_train.progress import track


def load_images(
    samples: Sequence[Sample], *, boxes: Mapping[str, tuple[Box, ...]], spec: InputSpec
) -> tuple[list[LabeledImage], list[tuple[str, str]]]:
    """Return the images, and (key, reason code) of those that are no radiographs.

    Decoded as the device does for `spec`, then at most `LONGEST_PX` long, uint8. An image takes at
    most 0.26 MB: 10,000 images take 2.6 GB at worst.

    Raises
    ------
    DataError
        If an image called not fractured has boxes, or none could be read.
    """
    images, refused = [], []
    for sample in track(samples, label="reading images"):
        fractured = sample.label is Label.FRACTURED
        of_image = boxes.get(sample.key, ())
        if of_image and not fractured:
            msg = (
                f"{sample.key}: expected boxes on fractured images only, got {len(of_image)} on "
                "one that is labelled not fractured; correct the label or the boxes"
            )
            raise DataError(msg)
        try:
            pixels = decode(read_file(sample.path), allow_downscale=spec.allow_downscale).pixels
        except DecodeError as err:
            refused.append((sample.key, err.reason.value))
        else:
            images.append(
                LabeledImage(
                    downscale_to(pixels, longest_px=LONGEST_PX),
                    of_image,
                    fractured,
                    sample.body_part,
                )
            )
    if len({image.fractured for image in images}) != len(Label):
        msg = f"expected images of both classes, got {len(images)} readable of one or none"
        raise DataError(msg)
    return images, refused
