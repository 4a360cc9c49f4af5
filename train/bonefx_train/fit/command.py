"""The command `fit` as a function: a path in, a run folder full of files out."""

import csv
import dataclasses
import hashlib
import io
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from bonefx_edge import __version__
from bonefx_edge.errors import UsageError
from bonefx_edge.model.model_file import ModelFile

from bonefx_train import run as files
from bonefx_train.data.boxes import BOXES_NAME, read_boxes
from bonefx_train.data.dataset import MANIFEST_NAME, Dataset, load_dataset, split_csv
from bonefx_train.data.pixels import load_pixels
from bonefx_train.errors import DataError
from bonefx_train.evaluation.plots import write_curves
from bonefx_train.run import FitSettings, PatchRecipe, Run
from bonefx_train.text_file import write_text

if TYPE_CHECKING:
    from bonefx_train.fit.whole_image_trainer import Trainer

logger = logging.getLogger(__name__)


class NetworkDefaults(NamedTuple):
    """What a network is fitted with where nobody says otherwise."""

    spec: str
    epochs: int


NETWORK_DEFAULTS: Final = {
    "seed": NetworkDefaults("seed", 30),
    "lite0": NetworkDefaults("stretch-letterbox", 24),
}
PATCH_NETWORKS: Final = frozenset({"lite0"})
"""Networks that are fitted on patches of images; the others on whole images."""
DEFAULT_PATCHES: Final = 8000
"""Patches per epoch: three minutes on two cores."""
DEFAULT_WEIGHT_AVERAGE: Final = 0.5
"""The middle, as its authors recommend where nothing is known (Wortsman et al., CVPR 2022)."""
START_WARNING: Final = (
    "WARNING: %s, or what it began with, was fitted on other images, or on these split otherwise, "
    "as far as it says. If its train images are in tune or test here, all figures are too good"
)
MAY_CHANGE_ON_RESUME: Final = frozenset({"patience", "data_root", "data_name", "software"})
"""Settings that did not shape the finished epochs; `epochs` too, of whole-image trainers."""


def fit_run(
    data: Path,
    *,
    out: Path,
    network: str,
    spec: str | None,
    seed: int,
    epochs: int | None,
    batch_size: int,
    patience: int,
    resume: bool,
    patches_per_epoch: int | None = None,
    boxes: Path | None = None,
    start_from: Path | None = None,
    weight_average: float | None = None,
    recipe: PatchRecipe | None = None,
) -> Run:
    """Return the run that a fit on `data` made in `out`; what it does is logged.

    Raises
    ------
    DataError, UsageError
        For unfit data, unknown names, an existing run without `resume`, a resume with other
        settings or other images, an `out` that cannot be the folder of a run, a `start_from`
        that holds another network, another kind or another spec, and a `weight_average` without
        one.
    ModelFileError
        If `start_from` is no model file.
    """
    _check_out(out, data=data)
    exists = (out / files.SETTINGS_NAME).exists()
    if exists and not resume:
        msg = f"{out}: expected a new folder, got one with a run; add --resume or choose another"
        raise UsageError(msg)
    dataset = load_dataset(data, seed=seed)
    table = split_csv(dataset.samples)
    on_patches = network in PATCH_NETWORKS
    if weight_average is not None and not start_from:
        msg = "--weight-average: expected a model to start from, got none; add --start-from"
        raise UsageError(msg)
    recipe = recipe or PatchRecipe()
    if not on_patches and (boxes or patches_per_epoch or start_from or recipe.given()):
        msg = (
            f"network {network}: expected neither boxes, patches, shares of patches, rate, moving "
            "mean nor a model to start from, it is fitted afresh on whole images"
        )
        raise UsageError(msg)
    boxes = _find_boxes(boxes, dataset.root) if on_patches else None
    settings = FitSettings(
        network=network,
        spec=spec or NETWORK_DEFAULTS.get(network, NETWORK_DEFAULTS["seed"]).spec,
        seed=seed,
        epochs=epochs or NETWORK_DEFAULTS.get(network, NETWORK_DEFAULTS["seed"]).epochs,
        batch_size=batch_size,
        patience=patience,
        data_root=str(dataset.root),
        data_name=dataset.root.name,
        data_sha256=hashlib.sha256(table.encode()).hexdigest(),
        software=_software(),
        patches_per_epoch=(patches_per_epoch or DEFAULT_PATCHES) if on_patches else 0,
        boxes_sha256=hashlib.sha256(boxes.read_bytes()).hexdigest() if boxes else "",
    )
    settings = dataclasses.replace(settings, **recipe.given())
    if start_from:
        settings = _with_start(settings, start_from, share=weight_average)
    if exists:
        _check_resumable(Run.open(out).settings, settings, out=out)
    _fit(dataset, table=table, settings=settings, out=out, boxes=boxes, start=start_from)
    return Run.open(out)


def _with_start(settings: FitSettings, start: Path, *, share: float | None) -> FitSettings:
    """Return the settings of a fit that begins with the network in a model file."""
    from bonefx_train.networks.warm_start import read_start

    # Of the network alone: its manifest says when it was converted, the network does not.
    sha256 = read_start(start, spec=settings.input_spec).manifest.flatbuffer_sha256
    share = DEFAULT_WEIGHT_AVERAGE if share is None else share
    return dataclasses.replace(settings, start_sha256=sha256, weight_average=share)


def _may_have_seen(start: Path, settings: FitSettings) -> bool:
    """Return whether a network to go on with may have been fitted on images of tune or test here.

    It cannot have been if it was fitted afresh on the same images, split alike.
    """
    before = ModelFile.read(start).manifest.provenance.settings
    return before.get("data_sha256") != settings.data_sha256 or bool(before.get("start_sha256"))


def _find_boxes(given: Path | None, root: Path) -> Path | None:
    """Return the file of boxes: the one given, else boxes.csv beside the images, if it is there."""
    path = given or root / BOXES_NAME
    if path.is_file():
        return path
    if given:
        msg = f"{given}: expected a CSV of boxes, got no file there"
        raise UsageError(msg)
    return None


def _check_out(out: Path, *, data: Path) -> None:
    """Return if `out` can be made, and will not be taken for a class folder the next time."""
    scanned = data.is_dir() and not (data / MANIFEST_NAME).is_file()
    inside = scanned and out.resolve().is_relative_to(data.resolve())
    blocked = any(path.exists() and not path.is_dir() for path in (out, *out.parents))
    if inside or blocked:
        got = f"one inside the images' folder {data}" if inside else "a file there"
        msg = f"{out}: expected a folder for the run, got {got}; choose another"
        raise UsageError(msg)


def _fit(
    dataset: Dataset,
    *,
    table: str,
    settings: FitSettings,
    out: Path,
    boxes: Path | None,
    start: Path | None,
) -> None:
    """Write the whole run folder: settings and images first, then network, history and curves."""
    from bonefx_train.fit.fit import fit, kept_epoch
    from bonefx_train.networks import registry

    fresh = (
        None
        if start
        else registry.build(settings.network, spec=settings.input_spec, seed=settings.seed)
    )
    out.mkdir(parents=True, exist_ok=True)
    with _logged_to(out / files.LOG_NAME):
        for note in dataset.notes:
            logger.info("%s", note)
        if fresh:
            fresh.summary(print_fn=logger.info)
        if start and _may_have_seen(start, settings):
            logger.warning(START_WARNING, start)
        logger.info("settings %s", settings.to_json())
        write_text(out / files.SPLIT_NAME, table)
        write_text(out / files.SETTINGS_NAME, settings.to_json())
        trainer, refused = _trainer(dataset, settings, boxes=boxes, start=start)
        tune = load_pixels(dataset.of("tune"), spec=settings.input_spec)
        _write_refused(out / files.REFUSED_NAME, (*refused, *tune.refused))
        history = fit(trainer=trainer, tune=tune, settings=settings, run_dir=out)
        write_curves(out / files.CURVES_NAME, history, kept=kept_epoch(history, trainer))


def _trainer(
    dataset: Dataset, settings: FitSettings, *, boxes: Path | None, start: Path | None
) -> tuple["Trainer", Sequence[tuple[str, str]]]:
    """Return the trainer of the network with its train images, and the images that were refused."""
    from bonefx_train.fit.patch_trainer import PatchTrainer
    from bonefx_train.fit.whole_image_trainer import WholeImageTrainer
    from bonefx_train.patches.images import load_images

    if settings.network in PATCH_NETWORKS:
        found = read_boxes(boxes) if boxes else {}
        _check_boxes(found, dataset)
        images, refused = load_images(dataset.of("train"), boxes=found, spec=settings.input_spec)
        logger.info(
            "boxes: %d of %d train images have some",
            sum(bool(f.boxes) for f in images),
            len(images),
        )
        return PatchTrainer(images, settings, start=start), refused
    train = load_pixels(dataset.of("train"), spec=settings.input_spec)
    return WholeImageTrainer(train, settings), train.refused


def _check_boxes(found: Mapping[str, object], dataset: Dataset) -> None:
    """Return if every image that boxes name is in the data set, whatever its split."""
    strangers = sorted(set(found) - {sample.key for sample in dataset.samples})
    if strangers:
        msg = (
            f"boxes: expected paths as in the data set, such as {dataset.samples[0].key}, got "
            f"{len(strangers)} of other images, such as {strangers[0]}; correct the path column"
        )
        raise DataError(msg)


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Append what this package logs to a file."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("bonefx_train")
    level = package.level
    package.setLevel(logging.INFO)  # the file is a promise, whatever the caller listens to
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()


def _check_resumable(before: FitSettings, now: FitSettings, *, out: Path) -> None:
    may_change = MAY_CHANGE_ON_RESUME | (set() if now.patches_per_epoch else {"epochs"})
    differing = [
        f"{field.name} {getattr(before, field.name)!r} (now {getattr(now, field.name)!r})"
        for field in dataclasses.fields(FitSettings)
        if field.name not in may_change and getattr(before, field.name) != getattr(now, field.name)
    ]
    if differing:
        msg = (
            f"{out}: expected the settings and images of the interrupted fit, got other "
            f"{', '.join(differing)}; give the same ones, or fit into a new folder"
        )
        raise UsageError(msg)
    if before.software != now.software:
        logger.warning("software changed: was %s, is %s", before.software, now.software)


def _software() -> str:
    import keras

    backend = keras.config.backend()
    version = getattr(sys.modules.get(backend), "__version__", "of unknown version")
    keras_on = f"keras {keras.__version__} on {backend} {version}"
    return f"bonefx {__version__}, {keras_on}, numpy {np.__version__}"


def _write_refused(path: Path, refused: Sequence[tuple[str, str]]) -> None:
    for key, reason in refused:
        logger.warning("refused, not used: %s (%s)", key, reason)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("key", "reason"), *refused])
    write_text(path, text.getvalue())
