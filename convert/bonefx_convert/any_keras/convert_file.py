"""From a Keras file or SavedModel to model files: the order of the steps."""

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.preprocess import Aspect, InputSpec, Resize, Scale
from bonefx_train.data.dataset import Dataset, load_dataset
from bonefx_train.data.pixels import to_network_range
from bonefx_train.data.sample import Label, Sample
from bonefx_train.evaluation.metrics import Floats
from bonefx_train.evaluation.predict import BATCH_SIZE
from bonefx_train.evaluation.tiled_predictions import WHOLE_MODE, NetworkInputs, load_inputs
from bonefx_train.networks.registry import LOGIT_NAME
from bonefx_train.progress import track
from numpy.typing import NDArray

from bonefx_convert.any_keras.head import Head, cut
from bonefx_convert.any_keras.label_checks import IMAGES, Labels, check_scores
from bonefx_convert.any_keras.network_file import FrozenNetwork, Size, read_network_file
from bonefx_convert.any_keras.wrap import RGB_ONLY, Scaling, scalings_for, wrap
from bonefx_convert.convert_network import Source, check_out, convert_network
from bonefx_convert.input_check_spec import measure_input_check, try_input_check
from bonefx_convert.origin import Origin
from bonefx_convert.pack import Options
from bonefx_convert.parity.report import ParityReport

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

MAX_TRAIN: Final = 600
"""Images of train that are read, half of them fractured where possible: they give int8 its ranges
and the input check its limits; three times what the representative data set takes."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person says about a network, because its file does not."""

    positive: int
    """Index of the class that means fracture."""
    scaling: Scaling
    resize: Resize
    aspect: Aspect
    size: Size | None = None
    """Of the input, for a network that takes any."""
    is_logit: bool = False
    """Whether a last layer without activation gives logits."""

    def input_spec(self, network: FrozenNetwork) -> InputSpec:
        """Return the preprocessing on the device."""
        is_float = self.resize is Resize.BILINEAR
        return InputSpec(
            height=network.height,
            width=network.width,
            resize=self.resize,
            aspect=self.aspect,
            scale=Scale.UNIT_FLOAT32 if is_float else Scale.UINT8,
        )


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A network file with what was said about it."""

    path: Path
    network: FrozenNetwork
    function: "object"
    head: Head
    statement: Statement

    @property
    def spec(self) -> InputSpec:
        """The preprocessing on the device."""
        return self.statement.input_spec(self.network)

    def keras_model(self, scaling: Scaling | None = None) -> "keras.Model":
        """Return the network as bonefx reads one; `scaling`: another than was said."""
        return wrap(
            self.network,
            self.function,
            self.head,
            scaling=scaling or self.statement.scaling,
            positive=self.statement.positive,
            name=self.path.stem,
        )

    def origin(self, *, data_name: str, seed: int) -> Origin:
        """Return what the model files say of it."""
        said = dataclasses.asdict(self.statement)
        settings = said | {"file": self.path.name, "sha256": _sha256(self.path), "head": self.head}
        return Origin(self.path.stem, self.spec, data_name, seed, settings)


def open_file(path: Path, statement: Statement) -> OpenedFile:
    """Return the network in a file, read with what a person says about it.

    Raises
    ------
    DataError
        If it cannot be read, or is no classifier of two classes.
    UsageError
        If what was said contradicts the network.
    """
    network = read_network_file(path, size=statement.size)
    if network.channels == 1 and statement.scaling in RGB_ONLY:
        msg = f"--scale {statement.scaling}: is for RGB, {path} reads gray images; give another"
        raise UsageError(msg)
    function, head = cut(path, network, is_logit=statement.is_logit)
    logger.info(
        "%s reads %dx%d images of %d channels and ends in: %s",
        *(path, network.height, network.width, network.channels, head),
    )
    return OpenedFile(path, network, function, head, statement)


def convert_file(
    path: Path, statement: Statement, *, data: Path, seed: int, options: Options
) -> ParityReport:
    """Write the model files of a network and the parity report; return the report.

    Train images give int8 its ranges, tune images operating points and figures; test is not read.

    Raises
    ------
    DataError
        If network or images cannot be used, or contradict each other.
    ParityError
        If no kind is within its tolerances; the report is written.
    UsageError
        If what was said contradicts the network, or `options.out` is a file.
    """
    check_out(options)
    opened = open_file(path, statement)
    dataset = load_dataset(data, seed=seed)
    for note in _notes(dataset):
        logger.warning("%s", note)
    load = partial(load_inputs, spec=opened.spec, tile_mode=WHOLE_MODE)
    train = load(draw_balanced(dataset.of("train"), n=MAX_TRAIN, seed=seed))
    tune = load(dataset.of("tune"))
    warn_of_unread(train, tune)
    check_labelled(opened, tune, seed=seed)
    input_check = measure_input_check(train.images.samples, spec=opened.spec)
    source = Source(
        keras_model=opened.keras_model(),
        origin=opened.origin(data_name=dataset.root.name, seed=seed),
        train=train,
        tune=tune,
        input_check=input_check,
        refused=try_input_check(input_check, tune.images.samples, spec=opened.spec),
        n_train=0,
    )
    return convert_network(source, options=options)


def warn_of_unread(*inputs: NetworkInputs) -> None:
    """Log a warning if files are no images that the device reads: no figure counts them."""
    unread = [each for part in inputs for each in part.images.refused]
    if unread:
        key, reason = unread[0]
        logger.warning(
            "WARNING: left out, as the device refuses them: %d files, such as %s (%s)",
            *(len(unread), key, reason),
        )


def check_labelled(opened: OpenedFile, inputs: NetworkInputs, *, seed: int) -> None:
    """Return if the labels of some images do not contradict what was said about the network.

    Raises
    ------
    DataError
        Wrong scaling or polarity, see `label_checks.check_scores`.
    """
    rng = np.random.default_rng(seed)
    fractured = inputs.images.fractured
    classes = [np.flatnonzero(fractured == is_) for is_ in (True, False)]
    chosen = np.sort(np.concatenate([rng.permutation(of)[: IMAGES // 2] for of in classes]))
    x = inputs.images.x[chosen]

    def logits_by(scaling: Scaling) -> Floats:
        return logits_of(opened.keras_model(scaling), x, label=f"checking scaling {scaling}")

    said = opened.statement.scaling
    check_scores(
        logits_by,
        scaling=said,
        others=[each for each in scalings_for(opened.network.channels) if each is not said],
        labels=Labels(fractured[chosen], [inputs.images.samples[i].group for i in chosen]),
    )


def logits_of(
    keras_model: "keras.Model", x: NDArray[np.float32] | NDArray[np.uint8], *, label: str
) -> Floats:
    """Return the logit of *not fractured* of each image, (n,).

    Called as a function: `predict_on_batch` would trace each of the many networks of a check.
    """
    starts = range(0, len(x), BATCH_SIZE)
    parts = [
        np.asarray(keras_model(to_network_range(x[i : i + BATCH_SIZE]), training=False)[LOGIT_NAME])
        for i in track(starts, label=label)
    ]
    return np.concatenate(parts).ravel().astype(np.float64)


def draw_balanced(samples: Sequence[Sample], *, n: int, seed: int) -> list[Sample]:
    """Return at most `n` images, at random, as many of each class as there are, up to half."""
    rng = np.random.default_rng(seed)
    chosen: list[Sample] = []
    for label in sorted(Label, key=lambda each: sum(sample.label is each for sample in samples)):
        members = [sample for sample in samples if sample.label is label]
        room = n // 2 if not chosen else n - len(chosen)
        chosen += [members[i] for i in rng.permutation(len(members))[:room]]
    return chosen


def _notes(dataset: Dataset) -> list[str]:
    """Return what a person must know of splits that were made here."""
    if "tune" in dataset.stated_splits:
        return list(dataset.notes)
    warning = (
        "WARNING: the data do not say which images the network was fitted on. If the tune images "
        "are among them, thresholds and figures are too good. Put images that it was not fitted "
        "on into a folder tune, beside train"
    )
    return [*dataset.notes, warning]


def _sha256(path: Path) -> str:
    """Return the hash of a file, or of all files of a folder by name; hexadecimal."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    whole = hashlib.sha256()
    for each in files:
        whole.update(each.relative_to(path.parent).as_posix().encode() + b"\0")
        whole.update(hashlib.sha256(each.read_bytes()).digest())
    return whole.hexdigest() if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
