"""The manifest of a model file, `bonefx.json`. The only module that knows its keys."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.errors import InterpreterError, ModelFileError, UsageError
from bonefx_edge.inference.ages import AgeRange, EvaluatedAges
from bonefx_edge.inference.decision import BROKEN
from bonefx_edge.inference.familiarity import Familiarity
from bonefx_edge.inference.input_check import InputCheckSpec
from bonefx_edge.inference.preprocess import InputSpec, Scale
from bonefx_edge.inference.tiling import InferenceMode, NetworkOutputs
from bonefx_edge.model.older_formats import OLDER_FORMATS, upgrade
from bonefx_edge.model.strict_json import build

FORMAT_VERSION: Final = 4
"""Raised when an older device could misread a newer file."""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """Which of the network's outputs is what; positions in the interpreter's list, from 0."""

    logit: int
    """The output with the one logit."""
    map: int | None
    """(1, rows, columns, 1): logit of fracture of each cell of the input, high means fracture."""
    features: int | None
    """(1, k): mean 0 and variance 1 over the training images; what the input check measures."""
    quantity: str
    """Always "logit": an int8 sigmoid saturates at 0.996 and hides ties."""
    high_means_class: int
    """Class index whose logit it is: 1, not broken."""

    def __post_init__(self) -> None:
        if self.quantity != "logit" or self.high_means_class == BROKEN:
            msg = (
                "output: expected quantity 'logit' of class 1 (not broken), got "
                f"{self.quantity!r} of class {self.high_means_class}"
            )
            raise ValueError(msg)
        used = self.positions
        if sorted(used) != list(range(len(used))):
            msg = f"output: expected the positions 0 to {len(used) - 1}, each once, got {used}"
            raise ValueError(msg)

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions that are used, logit first."""
        return tuple(p for p in (self.logit, self.map, self.features) if p is not None)

    def split(self, outputs: tuple[NDArray[np.float32], ...]) -> NetworkOutputs:
        """Return the outputs of `Interpreter.run` for n inputs, by name.

        Raises
        ------
        InterpreterError
            If a number is not finite: among many tiles it could go unnoticed.
        """
        for name in ("logit", "map", "features"):
            position: int | None = getattr(self, name)
            if position is not None:
                _check_finite(name, outputs[position])
        return NetworkOutputs(
            logits=outputs[self.logit].reshape(-1),
            maps=None if self.map is None else outputs[self.map][..., 0],
            features=None if self.features is None else outputs[self.features],
        )


def _check_finite(name: str, numbers: NDArray[np.float32]) -> None:
    finite = np.isfinite(numbers)
    if not finite.all():
        msg = (
            f"{name}: expected finite numbers, got {numbers[~finite][0]}; "
            "the model file or the interpreter is broken"
        )
        raise InterpreterError(msg)


def _check_detectors(familiarity: Familiarity | None, modes: list[str]) -> None:
    for detector in familiarity.detectors if familiarity else ():
        if detector.mode is not None and detector.mode not in modes:
            msg = f"familiarity: expected detectors of the modes {modes}, got {detector.mode!r}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class VerifiedRuntime:
    """One interpreter that opened this file and gave the same results."""

    name: str
    """Import name: ai_edge_litert or tflite_runtime."""
    version: str
    machine: str
    """platform.machine(), such as x86_64 or aarch64."""
    images: int
    """How many images it was run on."""
    max_logit_difference: float
    """Largest |logit - logit of the first runtime in the list| over those images."""


@dataclass(frozen=True, slots=True)
class DetectorFilms:
    """Films that a detector of unfamiliar films, or its limit, was made with."""

    name: str
    used_for: str
    """What they teach: child, chest, their opposites, or limits."""
    n: int
    """Radiographs."""
    licence: str
    """Terms, with attribution."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the model comes from; shown by `edge-admin verify`, never used to decide."""

    created: str
    """ISO 8601, UTC."""
    network: str
    """Name of the architecture, such as seed."""
    training_data: str
    """Data set, licence and attribution."""
    n_train: int
    """Radiographs that the network was fitted on; 0: unknown."""
    representative_sha256: str
    """Hash over the hashes of the representative data set, or "" for kinds without one."""
    settings: dict[str, Any]
    """The training settings as saved by the trainer."""
    metrics: dict[str, Any]
    """Metrics with n and 95 % intervals."""
    converter: str
    """Versions of TensorFlow and bonefx that wrote the file."""
    detector_films: tuple[DetectorFilms, ...] | None = None
    """None: the file has no detectors, or was written before this was noted."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that the device needs to know about a model besides its weights."""

    format_version: int
    name: str
    version: str
    kind: str
    """float32, dynamic or int8."""
    flatbuffer_sha256: str
    """Of the .tflite bytes before the appended manifest, hexadecimal."""
    input: InputSpec
    output: OutputSpec
    labels: tuple[str, str]
    """Names of class 0 and class 1."""
    modes: tuple[InferenceMode, ...]
    """The first is the default."""
    input_check: InputCheckSpec
    verified_runtimes: tuple[VerifiedRuntime, ...]
    """Interpreters that the converter ran it with."""
    provenance: Provenance
    evaluated_ages: EvaluatedAges | None = None
    """None: it answers at every age, as files without the field do."""

    def __post_init__(self) -> None:
        names = [mode.name for mode in self.modes]
        if not names or len(set(names)) != len(names):
            msg = f"modes: expected at least one, with distinct names, got {names}"
            raise ValueError(msg)
        if self.output.map is None and any(mode.map_weight > 0 for mode in self.modes):
            msg = "modes: expected map_weight 0 for a network without a map, got more"
            raise ValueError(msg)
        if self.input.scale is not Scale.UINT8 and any(mode.tile_selection for mode in self.modes):
            msg = f"modes: tile_selection goes with uint8 gray levels, got {self.input.scale}"
            raise ValueError(msg)
        _check_detectors(self.input_check.familiarity, names)
        if (self.output.features is None) != (self.input_check.distance_limit is None):
            msg = (
                "input_check: a distance_limit if and only if the network has features, got "
                f"{self.input_check.distance_limit} with features {self.output.features}"
            )
            raise ValueError(msg)

    def answered_ages(self, site: AgeRange | None) -> tuple[AgeRange, ...]:
        """Return the ages at which the model may answer; none: all.

        Parameters
        ----------
        site
            Ages at which the model was commissioned at this site; None: not known.
        """
        if self.evaluated_ages is None:
            return ()
        own = self.evaluated_ages.answered
        return (own,) if site is None else (own, site)

    def mode(self, name: str | None) -> InferenceMode:
        """Return the mode of that name, or the default one for None.

        Raises
        ------
        UsageError
            If the model has no such mode; the message lists those it has.
        """
        if name is None:
            return self.modes[0]
        for mode in self.modes:
            if mode.name == name:
                return mode
        known = ", ".join(mode.name for mode in self.modes)
        msg = (
            f"mode: expected one that model {self.name} has ({known}), got {name!r}; "
            "choose one of these"
        )
        raise UsageError(msg)

    def require_heatmap(self) -> None:
        """Return if the model can give heat maps.

        Raises
        ------
        UsageError
            If its network has no map output.
        """
        if self.output.map is None:
            msg = (
                f"The model {self.name} {self.version} cannot give heat maps. Name "
                "another model, or leave --heatmap out."
            )
            raise UsageError(msg)

    def to_json(self) -> str:
        """Return the manifest as JSON text, keys in the order of the fields."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Return the manifest that `text` holds.

        Raises
        ------
        ModelFileError
            For text that is not JSON, another format version, and absent, unknown, ill-typed or
            senseless fields.
        """
        try:
            raw = json.loads(text)
        except ValueError as err:
            msg = f"bonefx.json: expected JSON, got {len(text)} characters that are not ({err})"
            raise ModelFileError(msg) from err
        version = raw.get("format_version") if isinstance(raw, dict) else None
        if version not in (FORMAT_VERSION, *OLDER_FORMATS):
            msg = (
                f"bonefx.json: expected format_version {FORMAT_VERSION}, got {version!r}; "
                "update bonefx on this device, or convert the model again"
            )
            raise ModelFileError(msg)
        try:
            manifest: Manifest = build(cls, upgrade(raw), where="bonefx.json")
        except (TypeError, ValueError, ArithmeticError) as err:
            # ArithmeticError: a tile so small that their number overflows, a float of 400 digits.
            msg = f"bonefx.json: {err}; convert the model again"
            raise ModelFileError(msg) from err
        return manifest
