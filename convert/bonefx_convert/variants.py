"""A converted network under its modes: asked, given its own thresholds, held against Keras."""

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
from bonefx_train.evaluation.tiled_predictions import Views
from bonefx_train.run import Run

from bonefx_convert.flatbuffer import Kind, find_outputs, read_network
from bonefx_convert.parity.images import compare
from bonefx_convert.parity.outputs import compare_outputs
from bonefx_convert.parity.report import KindReport, OutputReport, ParityReport
from bonefx_convert.parity.scored import Scored, choose_points
from bonefx_convert.parity.tolerances import Bounds
from bonefx_convert.runtime_check import choose_films, prove
from bonefx_convert.score_fusion import (
    Reach,
    answer,
    evidence_of,
    held_by,
    logit_of,
    reach_of,
    reach_of_mode,
)
from bonefx_convert.whitening import distance_limit

logger = logging.getLogger(__name__)

KERAS: Final = "keras"


@dataclass(frozen=True, slots=True)
class Network:
    """One network's answers to views, and how they are read."""

    kind: str
    """keras, or a `Kind`."""
    answers: NetworkOutputs
    modes: tuple[InferenceMode, ...]
    """With this network's own operating points; the first is the default."""
    reaches: dict[str, Reach]
    """What each output can hold: logit, map, features."""

    def score(self, views: Views) -> tuple[Scored, ...]:
        """Return the films' logits under each mode."""
        return tuple(self._score(mode, views) for mode in self.modes)

    def ordered(self, names: Sequence[str]) -> "Network":
        """Return the network with its modes in the order of their names."""
        modes = sorted(self.modes, key=lambda mode: names.index(mode.name))
        return dataclasses.replace(self, modes=tuple(modes))

    def _score(self, mode: InferenceMode, views: Views) -> Scored:
        reach = reach_of_mode(mode, logit=self.reaches["logit"], cell=self.reaches["map"])
        return Scored(
            kind=self.kind,
            logit=logit_of(mode, evidence_of(mode, views, self.answers)),
            temperature=mode.temperature,
            operating_point=mode.operating_points[0],
            mode=mode.name,
            lowest=reach.lowest,
            highest=reach.highest,
            step=reach.step,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A converted network before it is a model file."""

    kind: Kind
    flatbuffer: bytes
    output: OutputSpec
    network: Network
    """Its answers to the views of tune, with the interpreter of this process."""
    distance_limit: float | None
    """Of its own features; None without features."""
    runtimes: tuple[VerifiedRuntime, ...]


def order_modes(converted: Sequence[Network], tune: Views) -> tuple[str, ...]:
    """Return the names of the modes, the default first: one order for all kinds of a model.

    Tiled inference costs a pass for each tile beside the one. It is the default if on tune its AUC
    is at least that of the whole film in every converted network, int8 included; Keras is not
    asked.
    """
    order, behind = [mode.name for mode in converted[0].modes], []
    if set(order) != {TILED, WHOLE}:
        return tuple(order)
    for network in converted:
        found = {
            scored.mode: float(auc(-scored.logit, tune.films.fractured))
            for scored in network.score(tune)
        }
        told = (network.kind, found[TILED], found[WHOLE])
        if found[TILED] >= found[WHOLE]:
            logger.info("%s: tune AUC of tiled %.4f, of whole %.4f", *told)
        else:
            logger.warning(
                "%s: tune AUC of tiled %.4f, of whole %.4f: whole becomes the default", *told
            )
            behind.append(network.kind)
    return (WHOLE, TILED) if behind else (TILED, WHOLE)


def keras_network(answers: NetworkOutputs, modes: Sequence[InferenceMode]) -> Network:
    """Return the Keras network; floats hold everything."""
    return Network(KERAS, answers, tuple(modes), reaches_of(None, None))


def with_points(
    modes: Sequence[InferenceMode],
    views: Views,
    answers: NetworkOutputs,
    *,
    chosen_on: str,
    spread: float,
) -> tuple[InferenceMode, ...]:
    """Return the modes with operating points chosen on this network's own answers to tune."""
    return tuple(
        dataclasses.replace(
            mode,
            operating_points=choose_points(
                logit_of(mode, evidence_of(mode, views, answers)),
                views.films,
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
    tune: Views,
    *,
    modes: Sequence[InferenceMode],
    chosen_on: str,
    pythons: Sequence[Path],
) -> Candidate:
    """Return a converted network with its answers, operating points and proved interpreters.

    Weights and temperatures are those of `modes`, fitted on Keras; the operating points and
    the distance limit are chosen anew, on this network's own answers.
    """
    network = read_network(flatbuffer)
    logger.info("%s operators: %s", kind, ", ".join(network.operators))
    output = find_outputs(network)
    opened = open_interpreter(flatbuffer)
    answers = answer(opened, tune.x, output=output, label=f"asking {kind}")
    runtimes = prove(
        flatbuffer, views=choose_films(tune), output=output, modes=modes, pythons=pythons
    )
    own = with_points(modes, tune, answers, chosen_on=chosen_on, spread=spread(runtimes))
    wholes = slice(len(tune.films.x))
    return Candidate(
        kind=kind,
        flatbuffer=flatbuffer,
        output=output,
        network=Network(kind, answers, own, reaches_of(opened, output)),
        distance_limit=None
        if answers.features is None
        else distance_limit(answers.features[wholes]),
        runtimes=runtimes,
    )


def spread(runtimes: Sequence[VerifiedRuntime]) -> float:
    """Return the largest logit difference between interpreters, 0 where only one was tried."""
    return max((runtime.max_logit_difference for runtime in runtimes), default=0.0)


def reaches_of(opened: Interpreter | None, output: OutputSpec | None) -> dict[str, Reach]:
    """Return what each output can hold, by name; everything where there is no such output."""
    if opened is None or output is None:
        return dict.fromkeys(("logit", "map", "features"), Reach())
    places = {"logit": output.logit, "map": output.map, "features": output.features}
    return {
        name: Reach() if place is None else reach_of(opened.outputs[place])
        for name, place in places.items()
    }


def hold_against(
    original: Network, converted: Network, views: Views, *, bounds: Bounds, runtime_spread: float
) -> tuple[tuple[KindReport, ...], tuple[OutputReport, ...]]:
    """Return one report per mode and one per output."""
    reaches = converted.reaches
    reachable = held_by(original.answers, logit=reaches["logit"], cell=reaches["map"])
    kinds = []
    pairs = zip(original.score(views), converted.score(views), converted.modes, strict=True)
    for before, after, mode in pairs:
        held = evidence_of(mode, views, reachable)
        kinds.append(
            compare(
                before,
                after,
                views.films,
                bounds=bounds,
                representable=logit_of(mode, held),
                runtime_spread=runtime_spread,
            )
        )
    outputs = compare_outputs(
        original.answers,
        converted.answers,
        kind=Kind(converted.kind),
        reaches=reaches,
        bounds=bounds,
    )
    return tuple(kinds), outputs


def films_of(run: Run, split: str) -> str:
    """Return data set and split in words."""
    return f"{run.settings.data_name} {split}"


def make_report(
    kinds: Sequence[KindReport],
    outputs: Sequence[OutputReport],
    films: Pixels,
    *,
    run: Run,
    name: str,
    split: str,
    bounds: Bounds,
) -> ParityReport:
    """Return the report of all kinds on the films of a split; modes come one after another."""
    names = list(dict.fromkeys(kind.mode for kind in kinds))
    return ParityReport(
        network=name,
        films_of=films_of(run, split),
        chosen_on=films_of(run, "tune"),
        films=len(films.x),
        fractured=int(films.fractured.sum()),
        groups=len({sample.group for sample in films.samples}),
        bounds=bounds,
        kinds=tuple(sorted(kinds, key=lambda kind: names.index(kind.mode))),
        outputs=tuple(outputs),
    )
