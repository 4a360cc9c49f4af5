"""From a Keras file and images without labels to model files without operating points."""

import hashlib
import logging
from pathlib import Path
from typing import Final

import numpy as np
from bonefx_edge.errors import InterpreterError, UsageError
from bonefx_edge.inference.tiling import NetworkOutputs
from bonefx_train.data.class_folders import check_encoding, is_junk, walk_files
from bonefx_train.data.pixels import to_network_range
from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError, ParityError
from bonefx_train.evaluation.metrics import Floats
from bonefx_train.evaluation.predict import predict_outputs
from bonefx_train.evaluation.tiled_predictions import WHOLE_MODE, NetworkInputs, load_inputs

from bonefx_convert.any_keras.convert_file import (
    OpenedFile,
    Statement,
    logits_of,
    open_file,
    warn_of_unread,
)
from bonefx_convert.any_keras.label_checks import IMAGES, check_scores
from bonefx_convert.any_keras.wrap import Scaling
from bonefx_convert.convert_network import KINDS, check_out, report_failures
from bonefx_convert.converter import convert
from bonefx_convert.flatbuffer import read_network
from bonefx_convert.input_check_spec import measure_input_check, try_input_check
from bonefx_convert.origin import Origin
from bonefx_convert.pack import Options, build_manifest, write_models, write_report
from bonefx_convert.parity.outputs import compare_outputs
from bonefx_convert.parity.report import ParityReport
from bonefx_convert.parity.tolerances import Tolerances
from bonefx_convert.representative import check_representative, pin_input_range
from bonefx_convert.runtime_check import choose_images
from bonefx_convert.score_fusion import plain_mode
from bonefx_convert.variants import Variant, infer

logger = logging.getLogger(__name__)

LEAST_IMAGES: Final = 40
"""Half of them give int8 its ranges."""
MOST_IMAGES: Final = 400
"""Drawn at random where there are more."""
_NOT_READ: Final = Label.NOT_FRACTURED
"""A sample has a label. Nothing on this path reads it."""


def convert_unlabelled(
    path: Path, statement: Statement, *, data: Path, seed: int, options: Options
) -> ParityReport:
    """Write model files without operating points and the parity report; return the report.

    Half of the images give int8 its ranges, the other half is compared with Keras.

    Raises
    ------
    DataError
        If network or images cannot be used.
    ParityError
        If no kind is within its tolerances; the report is written.
    UsageError
        If what was said contradicts the network, or there are no images at `data`.
    """
    check_out(options)
    opened = open_file(path, statement)
    samples = find_unlabelled(data, seed=seed)
    half = len(samples) // 2
    first, second = (
        load_inputs(part, spec=opened.spec, tile_mode=WHOLE_MODE)
        for part in (samples[:half], samples[half:])
    )
    warn_of_unread(first, second)
    _check_enough(data, len(first.x) + len(second.x))
    _check_scores(opened, second)
    keras_model = opened.keras_model()
    shown = to_network_range(first.x)
    check_representative(shown, class_index=None)
    sha256 = hashlib.sha256(first.x.tobytes()).hexdigest()
    made, not_made = convert(
        keras_model, representative=pin_input_range(shown), kinds=options.kinds or KINDS
    )
    variants = []
    for kind, flatbuffer in made.items():
        try:
            modes = (plain_mode(),)
            variants.append(infer(kind, flatbuffer, second, modes=modes, pythons=options.pythons))
        except (InterpreterError, ParityError) as err:
            not_made[kind.value] = str(err)
    origin = opened.origin(data_name=data.absolute().name, seed=seed)
    found = predict_outputs(keras_model, second.x, label="running keras")
    report = _compare(found, variants, second, origin=origin, options=options, not_made=not_made)
    passed = [variant for variant in variants if not report.failures(variant.kind.value)]
    input_check = measure_input_check(first.images.samples, spec=opened.spec)
    try_input_check(input_check, second.images.samples, spec=opened.spec)
    manifests = [
        build_manifest(
            variant,
            metrics={},
            origin=origin,
            options=options,
            n_train=0,
            representative_sha256=sha256,
            input_check=input_check,
        )
        for variant in passed
    ]
    write_models(passed, manifests, out=options.out, x=choose_images(second).images.x)
    write_report(report, options.out / f"{options.name}-parity")
    report_failures(report, options)
    return report


def find_unlabelled(data: Path, *, seed: int) -> list[Sample]:
    """Return images below a folder, at most `MOST_IMAGES`, in random order.

    Raises
    ------
    DataError
        If there are fewer files than `LEAST_IMAGES`.
    UsageError
        If there is no folder.
    """
    if not data.is_dir():
        msg = f"{data}: expected a folder of images; check the path"
        raise UsageError(msg)
    files = [path for path in walk_files(data.absolute(), on_loop=_pass_over) if not is_junk(path)]
    _check_enough(data, len(files))
    chosen = [files[i] for i in np.random.default_rng(seed).permutation(len(files))[:MOST_IMAGES]]
    keys = [path.relative_to(data.absolute()).as_posix() for path in chosen]
    check_encoding(keys)
    return [
        Sample(path, key, _NOT_READ, group=key, split="", body_part="", hardware=False)
        for path, key in zip(chosen, keys, strict=True)
    ]


def _check_enough(data: Path, images: int) -> None:
    if images < LEAST_IMAGES:
        msg = f"{data}: expected at least {LEAST_IMAGES} images, got {images}; add some"
        raise DataError(msg)


def _pass_over(link: Path) -> None:
    logger.info("not followed, a link that leads back: %s", link)


def _check_scores(opened: OpenedFile, inputs: NetworkInputs) -> None:
    def logits_by(scaling: Scaling) -> Floats:
        return logits_of(opened.keras_model(scaling), inputs.x[:IMAGES], label="checking scores")

    check_scores(logits_by, scaling=opened.statement.scaling, others=(), labels=None)


def _compare(
    found: NetworkOutputs,
    variants: list[Variant],
    inputs: NetworkInputs,
    *,
    origin: Origin,
    options: Options,
    not_made: dict[str, str],
) -> ParityReport:
    """Return how far the logits of each kind are from those of Keras, image by image."""
    depth = max((read_network(variant.flatbuffer).depth for variant in variants), default=1)
    tolerances = Tolerances.of_depth(depth, options.tolerances)
    outputs = [
        report
        for variant in variants
        for report in compare_outputs(
            found,
            variant.network.outputs,
            kind=variant.kind,
            ranges=variant.network.ranges,
            tolerances=tolerances,
        )
    ]
    return ParityReport(
        network=options.name,
        split_name=f"{origin.data_name}, without labels",
        chosen_on="",
        images=len(inputs.x),
        fractured=0,
        groups=len(inputs.x),
        tolerances=tolerances,
        kinds=(),
        outputs=tuple(outputs),
        not_made=not_made,
    )
