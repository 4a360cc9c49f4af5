"""What the parity gate measured, of one kind and of all, and how it is written down."""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bonefx_edge.inference.decision import Proportion
from bonefx_train.errors import ParityError

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


ROWS: Final[tuple[tuple[str, Callable[[KindReport], str]], ...]] = (
    ("max / p99 / mean logit difference", lambda kind: _difference(kind.logit)),
    ("max / p99 / mean p_fracture difference", lambda kind: _difference(kind.p_fracture)),
    ("output step (logit)", lambda kind: f"{kind.step:.4g}"),
    ("images on an end step", lambda kind: f"{kind.saturated.value:.2%}"),
    ("different scores", lambda kind: str(kind.distinct_scores)),
    (
        "most images on one score beside a threshold",
        lambda kind: f"{max(mass.value for mass in kind.tie_mass.values()):.2%}",
    ),
    ("AUC", lambda kind: _change(kind.auc)),
    ("sensitivity (fractured, not called no_fracture)", lambda kind: _change(kind.sensitivity)),
    ("specificity (not fractured, not called fracture)", lambda kind: _change(kind.specificity)),
    ("uncertain, right in both", lambda kind: _change(kind.uncertain)),
    ("states that differ", lambda kind: str(kind.state_flips)),
    ("class indices that differ", lambda kind: str(kind.class_flips)),
    ("fracture <-> no_fracture", lambda kind: str(kind.reversals)),
    ("uncertain band (logit)", lambda kind: f"{kind.band:.3g}"),
    ("spread between interpreters (logit)", lambda kind: f"{kind.runtime_spread:.3g}"),
    ("within tolerances", lambda kind: "no" if kind.failures else "yes"),
)
"""Rows of the Markdown table: title, and the cell of one kind."""


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

    def check(self) -> None:
        """Return if every kind is within its tolerances.

        Raises
        ------
        ParityError
            Lists what is not.
        """
        failures = [
            f"{kind.kind}, {kind.mode}: {failure}"
            for kind in self.kinds
            for failure in kind.failures
        ]
        failures += [f"{of.kind}: {failure}" for of in self.outputs for failure in of.failures]
        if failures:
            msg = (
                f"parity of {self.network} on {self.split_name}: {'; '.join(failures)}. "
                "Look at the report; train or convert again"
            )
            raise ParityError(msg)

    def to_json(self) -> str:
        """Return the report as JSON text; a number that is not finite is null."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=1, allow_nan=False) + "\n"

    def _circumstances(self) -> str:
        flatters = (
            " The operating points were chosen on these very images: sensitivity and specificity "
            "are what they were chosen for, not what to expect."
        )
        return (
            f"{self.split_name}: {self.images} images, {self.fractured} fractured, {self.groups} "
            "groups. Each network at its own operating point; changes are Keras -> converted with "
            "the 95 % interval of the change (same resampled groups)."
            f"{flatters if self.split_name == self.chosen_on else ''}"
        )

    def to_markdown(self) -> str:
        """Return the report as Markdown: table, broken tolerances, and every flip by file."""
        lines = [f"# Parity of {self.network} with Keras", "", self._circumstances()]
        for mode in dict.fromkeys(kind.mode for kind in self.kinds):
            kinds = [kind for kind in self.kinds if kind.mode == mode]
            lines += ["", f"## Mode {mode}", "", *_table(kinds)]
        lines += ["", "## Outputs, input by input", "", *_outputs_table(self.outputs)]
        for kind in self.kinds:
            lines += _failure_lines(f"{kind.kind}, {kind.mode}", kind.failures) + _flips(kind)
        for output in self.outputs:
            lines += _failure_lines(f"{output.kind}, {output.output}", output.failures)
        return "\n".join(lines) + "\n"


def _table(kinds: Sequence[KindReport]) -> list[str]:
    lines = ["| | " + " | ".join(kind.kind for kind in kinds) + " |"]
    lines += ["|---" * (1 + len(kinds)) + "|"]
    for title, cell in ROWS:
        lines.append(f"| {title} | " + " | ".join(cell(kind) for kind in kinds) + " |")
    return lines


def _outputs_table(outputs: Sequence[OutputReport]) -> list[str]:
    lines = [
        "| kind | output | inputs | step | median / p99 / max difference | on an end step |",
        "|---|---|---|---|---|---|",
    ]
    for of in outputs:
        sizes = f"{of.median:.3g} / {of.p99:.3g} / {of.max:.3g}"
        lines.append(
            f"| {of.kind} | {of.output} | {of.inputs} | {of.step:.4g} | {sizes} | "
            f"{of.saturated.value:.2%} |"
        )
    return lines


def _finite(value: Any) -> Any:
    """Return `value` with None for infinite numbers and NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _failure_lines(title: str, failures: Sequence[str]) -> list[str]:
    if not failures:
        return []
    return ["", f"## Out of tolerance: {title}", "", *(f"- {text}" for text in failures)]


def _flips(kind: KindReport) -> list[str]:
    if not kind.flips:
        return []
    lines = [
        "",
        f"## Decisions that differ: {kind.kind}, {kind.mode} ({len(kind.flips)})",
        "",
        "| image | label | Keras | converted | p_fracture |",
        "|---|---|---|---|---|",
    ]
    for flip in kind.flips:
        label = "fractured" if flip.fractured else "not fractured"
        p = f"{flip.p_before:.4f} -> {flip.p_after:.4f}"
        lines.append(f"| {flip.key} | {label} | {flip.before} | {flip.after} | {p} |")
    return lines


def _difference(difference: Difference) -> str:
    return f"{difference.max:.3g} / {difference.p99:.3g} / {difference.mean:.3g}"


def _change(change: Change) -> str:
    return f"{change.before:.4f} -> {change.after:.4f} ({change.low:+.4f} to {change.high:+.4f})"
