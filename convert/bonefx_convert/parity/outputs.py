"""How far each output of a converted network is from its Keras original, input by input."""

import dataclasses
from typing import Final

import numpy as np
from bonefx_edge.inference.tiling import NetworkOutputs
from bonefx_train.evaluation.metrics import wilson
from numpy.typing import NDArray

from bonefx_convert.flatbuffer import Kind
from bonefx_convert.parity.report import OutputReport
from bonefx_convert.parity.tolerances import OUTPUT_STEPS, Tolerances
from bonefx_convert.score_fusion import QuantizedRange

FLOAT16_PART: Final = 1 / 8
"""What the 11 bits of a float16 weight are off by, of what the 8 of an int8 weight are."""
FIELDS: Final = {"logit": "logits", "map": "maps", "features": "features"}
"""Name of each output, and of its field in `NetworkOutputs`."""


def compare_outputs(
    original: NetworkOutputs,
    converted: NetworkOutputs,
    *,
    kind: Kind,
    ranges: dict[str, QuantizedRange],
    tolerances: Tolerances,
) -> tuple[OutputReport, ...]:
    """Return how far each output that both have is off, over all inputs and elements.

    Both are of the same inputs, with whitened features. `ranges`: what each output of the
    .tflite can hold, by name.
    """
    reports = []
    for name, field in FIELDS.items():
        before, after = getattr(original, field), getattr(converted, field)
        if before is not None and after is not None:
            report = _measure(name, before, after, kind=kind, range_=ranges[name])
            reports.append(dataclasses.replace(report, failures=_failures(report, tolerances)))
    return tuple(reports)


def _measure(
    name: str,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    *,
    kind: Kind,
    range_: QuantizedRange,
) -> OutputReport:
    ends = (after <= range_.lowest) | (after >= range_.highest)
    # Beyond the ends there is nothing to follow; how much lies there is `saturated`.
    sizes = np.abs(np.clip(before, range_.lowest, range_.highest) - after)
    return OutputReport(
        kind=kind,
        output=name,
        inputs=len(after),
        step=range_.step or float(np.ptp(before)) / OUTPUT_STEPS,
        median=float(np.median(sizes)),
        p99=float(np.percentile(sizes, 99)),
        max=float(sizes.max()),
        saturated=wilson(int(ends.sum()), ends.size),
        failures=(),
    )


def _failures(report: OutputReport, tolerances: Tolerances) -> tuple[str, ...]:
    if report.kind == Kind.FLOAT32:
        limit = max(tolerances.float32_logit, tolerances.float32_steps * report.step)
        at_most = {"largest difference": (report.max, limit)}
    else:
        part = FLOAT16_PART if report.kind == Kind.FLOAT16 else 1.0
        median, largest = part * tolerances.input_median_steps, part * tolerances.input_max_steps
        at_most = {
            "median difference": (report.median, median * report.step),
            "largest difference": (report.max, largest * report.step),
        }
    # Float kinds have no ends. All outputs, features too: 0.2 % of the logits, less of the others
    # lay there in int8 of an unfinished Lite0. The lower end of the interval, as for whole images.
    at_most["share of saturated numbers, at least"] = (report.saturated.low, tolerances.saturated)
    return tuple(
        f"{report.output}, {name}: expected at most {limit:.4g}, got {value:.4g}"
        for name, (value, limit) in at_most.items()
        if not value <= limit
    )
