"""Read films for views: decoded by the device's code, shrunk, with their boxes, in memory."""

from collections.abc import Mapping, Sequence

from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.inference.preprocess import InputSpec, downscale_to

from bonefx_train.data.boxes import Box
from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.patches.sampler import LONGEST_PX, Film
from bonefx_train.progress import track


def load_films(
    samples: Sequence[Sample], *, boxes: Mapping[str, tuple[Box, ...]], spec: InputSpec
) -> tuple[list[Film], list[tuple[str, str]]]:
    """Return the films, and (key, reason code) of those that are no radiographs.

    Decoded as the device does for `spec`, then at most `LONGEST_PX` long, uint8. A film takes at
    most 0.26 MB: 10,000 films take 2.6 GB at worst.

    Raises
    ------
    DataError
        If a film called not fractured has boxes, or none could be read.
    """
    films, refused = [], []
    for sample in track(samples, label="reading films"):
        fractured = sample.label is Label.FRACTURED
        of_film = boxes.get(sample.key, ())
        if of_film and not fractured:
            msg = (
                f"{sample.key}: expected boxes on fractured films only, got {len(of_film)} on one "
                "that is labelled not fractured; correct the label or the boxes"
            )
            raise DataError(msg)
        try:
            pixels = decode(read_file(sample.path), allow_downscale=spec.allow_downscale).pixels
        except DecodeError as err:
            refused.append((sample.key, err.reason.value))
        else:
            films.append(
                Film(
                    downscale_to(pixels, longest_px=LONGEST_PX),
                    of_film,
                    fractured,
                    sample.body_part,
                )
            )
    if len({film.fractured for film in films}) != len(Label):
        msg = f"expected films of both classes, got {len(films)} readable of one or none"
        raise DataError(msg)
    return films, refused
