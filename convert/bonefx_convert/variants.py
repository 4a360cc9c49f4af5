"""A converted network under its modes: run, given its own thresholds, compared with Keras."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.inference.tiling import TILED, WHOLE, InferenceMode, NetworkOutputs
from bonefx_edge.model.interpreter import Interpreter, open_interpreter
from bonefx_edge.model.manifest import OutputSpec, VerifiedRuntime
from bonefx_train.data.pixels import Pixels
from bonefx_train.evaluation.metrics import auc
from bonefx_train.evaluation.tiled_predictions import NetworkInputs

from bonefx_convert.flatbuffer import Kind, find_outputs, read_network
from bonefx_convert.origin import Origin
from bonefx_convert.parity.images import compare
from bonefx_convert.parity.outputs import compare_outputs
from bonefx_convert.parity.report import KindReport, OutputReport, ParityReport
from bonefx_convert.parity.scored import Scored, choose_points
from bonefx_convert.parity.tolerances import Tolerances
from bonefx_convert.runtime_check import choose_images, verify_runtimes
from bonefx_convert.score_fusion import (
    QuantizedRange,
    clip_to_range,
    fused_range,
    logit_of,
    quantized_range,
    run_inference,
    scores_of,
)
from bonefx_convert.whitening import distance_limit

logger = logging.getLogger(__name__)

KERAS: Final = "keras"


@dataclass(frozen=True, slots=True)
class Network:
    """One network's outputs for inputs, and how they are read."""

    kind: str
    """keras, or a `Kind`."""
    outputs: NetworkOutputs
    modes: tuple[InferenceMode, ...]
    """With this network's own operating points; the first is the default."""
    ranges: dict[str, QuantizedRange]
    """What each output can hold: logit, map, features."""

    def score(self, inputs: NetworkInputs) -> tuple[Scored, ...]:
        """Return the images' logits under each mode."""
        return tuple(self._score(mode, inputs) for mode in self.modes)

    def ordered(self, names: Sequence[str]) -> "Network":
        """Return the network with its modes in the order of their names."""
        modes = sorted(self.modes, key=lambda mode: names.index(mode.name))
        return dataclasses.replace(self, modes=tuple(modes))

    def _score(self, mode: InferenceMode, inputs: NetworkInputs) -> Scored:
        range_ = fused_range(mode, logit=self.ranges["logit"], cell=self.ranges["map"])
        return Scored(
            kind=self.kind,
            logit=logit_of(mode, scores_of(mode, inputs, self.outputs)),
            temperature=mode.temperature,
            operating_point=mode.operating_points[0],
            mode=mode.name,
            lowest=range_.lowest,
            highest=range_.highest,
            step=range_.step,
        )


@dataclass(frozen=True, slots=True)
class Variant:
    """A converted network before it is a model file."""

    kind: Kind
    flatbuffer: bytes
    output: OutputSpec
    network: Network
    """Its outputs for the inputs of tune, with the interpreter of this process."""
    distance_limit: float | None
    """Of its own features; None without features."""
    runtimes: tuple[VerifiedRuntime, ...]


def order_modes(converted: Sequence[Network], tune: NetworkInputs) -> tuple[str, ...]:
    """Return the names of the modes, the default first: one order for all kinds of a model.

    Tiled inference costs a pass for each tile beside the one. It is the default if on tune its AUC
    is at least that of the whole image in every converted network, int8 included. The Keras
    network does not count.
    """
    order, behind = [mode.name for mode in converted[0].modes], []
    if set(order) != {TILED, WHOLE}:
        return tuple(order)
    for network in converted:
        found = {
            scored.mode: float(auc(-scored.logit, tune.images.fractured))
            for scored in network.score(tune)
        }
        listed = (network.kind, found[TILED], found[WHOLE])
        if found[TILED] >= found[WHOLE]:
            logger.info("%s: tune AUC of tiled %.4f, of whole %.4f", *listed)
        else:
            logger.warning(
                "%s: tune AUC of tiled %.4f, of whole %.4f: whole becomes the default", *listed
            )
            behind.append(network.kind)
    return (WHOLE, TILED) if behind else (TILED, WHOLE)


def keras_network(outputs: NetworkOutputs, modes: Sequence[InferenceMode]) -> Network:
    """Return the Keras network; floats hold everything."""
    return Network(KERAS, outputs, tuple(modes), quantized_ranges(None, None))


def with_operating_points(
    modes: Sequence[InferenceMode],
    inputs: NetworkInputs,
    outputs: NetworkOutputs,
    *,
    chosen_on: str,
    spread: float,
) -> tuple[InferenceMode, ...]:
    """Return the modes with operating points chosen on this network's own outputs on tune."""
    return tuple(
        dataclasses.replace(
            mode,
            operating_points=choose_points(
                logit_of(mode, scores_of(mode, inputs, outputs)),
                inputs.images,
                temperature=mode.temperature,
                chosen_on=chosen_on,
                spread=spread,
            ),
        )
        for mode in modes
    )


def measure(
    kind: Kind,
    flatbuffer: bytes,
    tune: NetworkInputs,
    *,
    modes: Sequence[InferenceMode],
    chosen_on: str,
    pythons: Sequence[Path],
) -> Variant:
    """Return a converted network with its outputs, operating points and verified interpreters.

    Weights and temperatures are those of `modes`, fitted on Keras; the operating points and
    the distance limit are chosen anew, on this network's own outputs.
    """
    variant = infer(kind, flatbuffer, tune, modes=modes, pythons=pythons)
    outputs = variant.network.outputs
    own = with_operating_points(
        modes, tune, outputs, chosen_on=chosen_on, spread=spread(variant.runtimes)
    )
    features = outputs.features
    return dataclasses.replace(
        variant,
        network=dataclasses.replace(variant.network, modes=own),
        distance_limit=None if features is None else distance_limit(features[: len(tune.images.x)]),
    )


def infer(
    kind: Kind,
    flatbuffer: bytes,
    inputs: NetworkInputs,
    *,
    modes: Sequence[InferenceMode],
    pythons: Sequence[Path],
) -> Variant:
    """Return a converted network with its outputs and verified interpreters; no label is read."""
    network = read_network(flatbuffer)
    logger.info("%s operators: %s", kind, ", ".join(network.operators))
    output = find_outputs(network)
    opened = open_interpreter(flatbuffer)
    outputs = run_inference(opened, inputs.x, output=output, label=f"running {kind}")
    runtimes = verify_runtimes(
        flatbuffer, inputs=choose_images(inputs), output=output, modes=modes, pythons=pythons
    )
    return Variant(
        kind=kind,
        flatbuffer=flatbuffer,
        output=output,
        network=Network(kind, outputs, tuple(modes), quantized_ranges(opened, output)),
        distance_limit=None,
        runtimes=runtimes,
    )


def spread(runtimes: Sequence[VerifiedRuntime]) -> float:
    """Return the largest logit difference between interpreters, 0 where only one was tried."""
    return max((runtime.max_logit_difference for runtime in runtimes), default=0.0)


def quantized_ranges(
    opened: Interpreter | None, output: OutputSpec | None
) -> dict[str, QuantizedRange]:
    """Return what each output can hold, by name; everything where there is no such output."""
    if opened is None or output is None:
        return dict.fromkeys(("logit", "map", "features"), QuantizedRange())
    positions = {"logit": output.logit, "map": output.map, "features": output.features}
    return {
        name: QuantizedRange() if at is None else quantized_range(opened.outputs[at])
        for name, at in positions.items()
    }


def compare_with(
    original: Network,
    converted: Network,
    inputs: NetworkInputs,
    *,
    tolerances: Tolerances,
    runtime_spread: float,
) -> tuple[tuple[KindReport, ...], tuple[OutputReport, ...]]:
    """Return one report per mode and one per output."""
    ranges = converted.ranges
    reachable = clip_to_range(original.outputs, logit=ranges["logit"], cell=ranges["map"])
    kinds = []
    pairs = zip(original.score(inputs), converted.score(inputs), converted.modes, strict=True)
    for before, after, mode in pairs:
        held = scores_of(mode, inputs, reachable)
        kinds.append(
            compare(
                before,
                after,
                inputs.images,
                tolerances=tolerances,
                representable=logit_of(mode, held),
                runtime_spread=runtime_spread,
            )
        )
    outputs = compare_outputs(
        original.outputs,
        converted.outputs,
        kind=Kind(converted.kind),
        ranges=ranges,
        tolerances=tolerances,
    )
    return tuple(kinds), outputs


def make_report(
    compared: Sequence[tuple[tuple[KindReport, ...], tuple[OutputReport, ...]]],
    images: Pixels,
    *,
    origin: Origin,
    name: str,
    split: str,
    tolerances: Tolerances,
    not_made: dict[str, str],
) -> ParityReport:
    """Return the report of all that `compare_with` gave on a split; modes one after another."""
    kinds = tuple(kind for of_kind, _ in compared for kind in of_kind)
    report = ParityReport(
        network=name,
        split_name=origin.split_name(split),
        chosen_on=origin.split_name("tune"),
        images=len(images.x),
        fractured=int(images.fractured.sum()),
        groups=len({sample.group for sample in images.samples}),
        tolerances=tolerances,
        kinds=kinds,
        outputs=tuple(output for _, outputs in compared for output in outputs),
        not_made=not_made,
    )
    return report.ordered(tuple(dict.fromkeys(kind.mode for kind in kinds)))
