"""A run: the folder in which one fit keeps its settings, images, network and curves."""

import dataclasses
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bonefx_edge.errors import UsageError
from bonefx_edge.inference.preprocess import SPECS, InputSpec

from bonefx_train.data.dataset import read_split_csv
from bonefx_train.data.sample import Sample
from bonefx_train.errors import DataError

if TYPE_CHECKING:
    import keras

SETTINGS_NAME: Final = "settings.json"
SPLIT_NAME: Final = "split.csv"
MODEL_NAME: Final = "model.keras"
HISTORY_NAME: Final = "history.json"
CURVES_NAME: Final = "curves.png"
LOG_NAME: Final = "train.log"
REFUSED_NAME: Final = "refused.csv"
CHECKPOINT_FOLDER: Final = "checkpoint"
EVALUATION_FOLDER: Final = "evaluation"
OLD_KEYS: Final = {"views_per_epoch": "patches_per_epoch", "start_share": "weight_average"}
"""Earlier keys of settings.json, still read."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Everything that decides the outcome of a fit; printed, and saved beside the network."""

    network: str
    """Name in `networks.registry.NETWORKS`."""
    spec: str
    """Name in `bonefx_edge.inference.preprocess.SPECS`."""
    seed: int
    """Of the splits (where none are given), the weights, the dropout and the order of images."""
    epochs: int
    """At most; fewer if tune stops it."""
    batch_size: int
    """Images per step of the optimizer."""
    patience: int
    """Epochs without a better tune AUC before the fit ends; for trainers that keep the best."""
    data_root: str
    """Folder of the images, absolute; may be overridden on another machine."""
    data_name: str
    """Short name of the data set: that folder's name."""
    data_sha256: str
    """Of split.csv: images, labels, groups and splits."""
    software: str
    """Versions that fitted it."""
    patches_per_epoch: int = 0
    """Patches per epoch where the network is fitted on patches; 0 where on whole images."""
    boxes_sha256: str = ""
    """Of the file that says where the fractures are; "" where there is none."""
    start_sha256: str = ""
    """Of the network (its flatbuffer) that the fit began with; "" where it began afresh."""
    weight_average: float = 0.0
    """Of the start's weights in the kept network, [0, 1); 0 where the fit began afresh."""
    whole_share: float = 0.35
    """Of the patches show the whole image, [0, 1]."""
    style_share: float = 0.0
    """Of the patches look as another detector would show them, [0, 1]."""
    peak_rate: float = 0.0
    """Highest learning rate; 0: the trainer's own."""
    ema_momentum: float = 0.0
    """Of the moving mean of the weights that is kept in place of the last ones, [0, 1); 0: none."""

    def __post_init__(self) -> None:
        if not 0 <= self.weight_average < 1:
            msg = f"fit settings: expected a weight average in [0, 1), got {self.weight_average}"
            raise UsageError(msg)
        shares = (self.whole_share, self.style_share, self.ema_momentum)
        if not all(0 <= share <= 1 for share in shares) or self.ema_momentum == 1:
            msg = (
                "fit settings: expected a whole share and a style share in [0, 1], and an EMA "
                f"momentum in [0, 1), got {', '.join(map(str, shares))}"
            )
            raise UsageError(msg)
        if not 0 <= self.peak_rate <= 1:
            msg = f"fit settings: expected a peak rate in [0, 1], got {self.peak_rate}"
            raise UsageError(msg)
        if min(self.epochs, self.batch_size, self.patience) < 1:
            msg = (
                "fit settings: expected epochs, batch size and patience >= 1, got "
                f"{self.epochs}, {self.batch_size}, {self.patience}"
            )
            raise UsageError(msg)
        if self.spec not in SPECS:
            msg = (
                f"spec: expected one of {', '.join(SPECS)}, got {self.spec!r}; choose one of these"
            )
            raise UsageError(msg)

    @property
    def input_spec(self) -> InputSpec:
        """The spec that `spec` names."""
        return SPECS[self.spec]

    def to_json(self) -> str:
        """Return the settings as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "FitSettings":
        """Return the settings that `to_json` wrote.

        Raises
        ------
        DataError
            For text of another make.
        """
        try:
            stored = json.loads(text)
            return cls(**{OLD_KEYS.get(key, key): value for key, value in stored.items()})
        except (AttributeError, TypeError, ValueError) as err:
            msg = (
                f"{SETTINGS_NAME}: expected the settings of bonefx-train fit, got {err}; fit again"
            )
            raise DataError(msg) from err


@dataclass(frozen=True, slots=True)
class PatchRecipe:
    """How patches are drawn and fitted; None: as `FitSettings` says."""

    whole_share: float | None = None
    style_share: float | None = None
    peak_rate: float | None = None
    ema_momentum: float | None = None

    def given(self) -> dict[str, Any]:
        """Return what is not None, by the names of `FitSettings`."""
        return {
            name: value for name, value in dataclasses.asdict(self).items() if value is not None
        }


@dataclass(frozen=True, slots=True)
class Run:
    """A finished or interrupted fit on disk."""

    dir: Path
    settings: FitSettings
    samples: tuple[Sample, ...]
    """All images of the run, refused ones included, paths below the data root."""

    @classmethod
    def open(cls, run_dir: Path, *, data_root: Path | None = None) -> "Run":
        """Return the run in a folder that `bonefx-train fit --out` wrote.

        `data_root`: where the images lie now, if not where they lay when the network was fitted.
        They need not be there until their pixels are read.

        Raises
        ------
        DataError
            If the folder holds no run.
        """
        try:
            settings = FitSettings.from_json((run_dir / SETTINGS_NAME).read_text("utf-8"))
            text = (run_dir / SPLIT_NAME).read_text("utf-8")
        except OSError as err:
            if run_dir.is_file() or (run_dir / "saved_model.pb").exists():
                msg = (
                    f"{run_dir}: expected the folder of a run of bonefx-train fit, got another "
                    f"model; convert it with bonefx-convert keras {run_dir} (-h says how)"
                )
                raise DataError(msg) from err
            msg = (
                f"{run_dir}: expected the folder of a run with {SETTINGS_NAME} and {SPLIT_NAME}, "
                f"got {err.strerror}; make one with bonefx-train fit"
            )
            raise DataError(msg) from err
        root = (data_root or Path(settings.data_root)).absolute()
        return cls(dir=run_dir, settings=settings, samples=read_split_csv(text, root=root))

    def of(self, split: str) -> tuple[Sample, ...]:
        """Return the images of one split."""
        return tuple(sample for sample in self.samples if sample.split == split)

    def keras_model(self) -> "keras.Model":
        """Return the network of the epoch that was kept, see `fit.fit.kept_epoch`; not compiled.

        Raises
        ------
        DataError
            If the fit has not finished an epoch, or the file is none of Keras; and if a fit on
            patches was interrupted: its network comes to rest with the last epoch only.
        """
        import keras

        path = self.dir / MODEL_NAME
        if not path.is_file():
            msg = f"{path}: expected a fitted network, got none; run bonefx-train fit --resume"
            raise DataError(msg)
        if not zipfile.is_zipfile(path):
            # Keras says "file not found" of it.
            msg = f"{path}: expected a network as Keras saves it, got a damaged file; fit again"
            raise DataError(msg)
        history = self.dir / HISTORY_NAME
        done = len(json.loads(history.read_text("utf-8"))) if history.is_file() else 0
        if self.settings.patches_per_epoch and done < self.settings.epochs:
            msg = (
                f"{self.dir}: expected {self.settings.epochs} epochs, got an interrupted fit with "
                f"{done}; go on with bonefx-train fit --resume"
            )
            raise DataError(msg)
        return keras.models.load_model(path, compile=False)
