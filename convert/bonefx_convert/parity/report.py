"""What the parity gate measured, of one kind and of all, and how it is written down."""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bonefx_edge.inference.decision import Proportion
from bonefx_train.errors import ParityError
from bonefx_train.markdown import open_templates

from bonefx_convert.parity.tolerances import Tolerances


@dataclass(frozen=True, slots=True)
class Difference:
    """Sizes of the differences of n numbers."""

    mean: float
    p99: float
    """99th percentile."""
    max: float


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of the original and the converted network on the same images."""

    before: float
    """Keras."""
    after: float
    """Converted."""
    low: float
    """Lower end of the 95 % interval of after - before, both on the same resampled groups."""
    high: float
    """Upper end."""

    @property
    def loss(self) -> float:
        """Before - after."""
        return self.before - self.after


@dataclass(frozen=True, slots=True)
class Flip:
    """An image of which the two networks say different things."""

    key: str
    fractured: bool
    """The label."""
    before: str
    """State and class index by Keras, such as "uncertain, 1"."""
    after: str
    """The same by the converted network."""
    p_before: float
    p_after: float


@dataclass(frozen=True, slots=True)
class OutputReport:
    """One output of one converted network against Keras, over all inputs and elements."""

    kind: str
    output: str
    """logit, map or features."""
    inputs: int
    step: float
    """Per output step; for float kinds the Keras range / 256."""
    median: float
    """|difference|, of Keras numbers clipped to the range that the output can hold."""
    p99: float
    max: float
    saturated: Proportion
    """Numbers on an end step of the output."""
    failures: tuple[str, ...]
    """What is out of tolerance, in words; empty = passed."""


@dataclass(frozen=True, slots=True)
class KindReport:
    """One converted network against Keras, under one mode."""

    kind: str
    mode: str
    """tiled or whole."""
    logit: Difference
    """|logit difference|, of Keras logits clipped to the range that the output can hold."""
    step: float
    """Logit per output step; for float kinds the Keras logit range / 256."""
    p_fracture: Difference
    """|p_fracture difference|, nothing clipped."""
    saturated: Proportion
    """Images on an end step of the output."""
    distinct_scores: int
    tie_mass: dict[str, Proportion]
    """Per threshold: largest share of images that have one score beside it."""
    auc: Change
    sensitivity: Change
    """Fractured, not called no_fracture, each network at its own operating point."""
    specificity: Change
    """Not fractured, not called fracture."""
    uncertain: Change
    """Of all images; counted as right in both figures above."""
    state_flips: int
    changed_states: Proportion
    """The same as a share of the images."""
    near_thresholds: float
    """Share of images whose Keras score lies so near a threshold that int8 rounding may change
    their state, see `Tolerances.state_flips`; 0 for float kinds."""
    class_flips: int
    reversals: int
    """Flips between fracture and no_fracture."""
    flips: tuple[Flip, ...]
    """Every image whose state or class index differs."""
    band: float
    """Width of the `uncertain` band of the default operating point, in logit."""
    runtime_spread: float
    """Largest |logit difference| between verified interpreters; within the band."""
    failures: tuple[str, ...]
    """What is out of tolerance, in words; empty = passed."""


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All converted networks against Keras on the same labelled images."""

    network: str
    """Name of the model."""
    split_name: str
    """Data set and split."""
    chosen_on: str
    """Data set and split that the operating points were chosen on."""
    images: int
    fractured: int
    groups: int
    tolerances: Tolerances
    kinds: tuple[KindReport, ...]
    """Every kind under every mode, mode by mode; the first is the default one."""
    outputs: tuple[OutputReport, ...]
    """Every output of every kind."""
    not_made: dict[str, str] = field(default_factory=dict)
    """Kind -> why it could not be made or run at all, such as an operator that int8 lacks."""

    @property
    def kind_names(self) -> tuple[str, ...]:
        """Every kind, made or not."""
        of_images = [each.kind for each in self.kinds]
        of_outputs = [each.kind for each in self.outputs]
        return tuple(dict.fromkeys((*self.not_made, *of_images, *of_outputs)))

    def failures(self, kind: str) -> tuple[str, ...]:
        """Return what is out of tolerance for a kind, in words; empty if it passed."""
        of_images = (
            f"{each.mode}: {failure}"
            for each in self.kinds
            if each.kind == kind
            for failure in each.failures
        )
        of_outputs = (
            failure for each in self.outputs if each.kind == kind for failure in each.failures
        )
        why = self.not_made.get(kind)
        return (*((why,) if why else ()), *of_images, *of_outputs)

    def ordered(self, modes: Sequence[str]) -> "ParityReport":
        """Return the report with its modes in the order of their names."""
        kinds = sorted(self.kinds, key=lambda kind: modes.index(kind.mode))
        return dataclasses.replace(self, kinds=tuple(kinds))

    def check(self) -> None:
        """Return if every kind is within its tolerances.

        Raises
        ------
        ParityError
            Lists what is not.
        """
        failures = [
            f"{name}, {failure}" for name in self.kind_names for failure in self.failures(name)
        ]
        if failures:
            msg = f"parity of {self.network} on {self.split_name}: {'; '.join(failures)}"
            raise ParityError(msg)

    def to_json(self) -> str:
        """Return the report as JSON text; a number that is not finite is null."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=1, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """Return the report as Markdown: table, broken tolerances, and every flip by file."""
        template = open_templates(Path(__file__).parent).get_template("parity.md.j2")
        return template.render(dataclasses.asdict(self))


def _finite(value: Any) -> Any:
    """Return `value` with None for infinite numbers and NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
