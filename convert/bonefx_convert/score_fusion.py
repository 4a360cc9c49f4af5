"""Modes of a network: fitted on tune, and what they make of a network's outputs."""

import dataclasses
import logging
from typing import Any, Final

import numpy as np
from bonefx_edge.inference.tiling import TILED, WHOLE, InferenceMode, NetworkOutputs, fuse_logits
from bonefx_edge.model.interpreter import Interpreter, TensorInfo
from bonefx_edge.model.manifest import OutputSpec
from bonefx_train.evaluation.score_fusion import Fusion, fit_fusion
from bonefx_train.evaluation.temperature import fit_temperature
from bonefx_train.evaluation.tiled_predictions import (
    TILED_MODE,
    WHOLE_MODE,
    NetworkInputs,
    TileMode,
    TileScores,
    pool_scores,
)
from bonefx_train.progress import track
from numpy.typing import NDArray

logger = logging.getLogger(__name__)


def fit_modes(inputs: NetworkInputs, outputs: NetworkOutputs) -> tuple[InferenceMode, ...]:
    """Return the modes that suit a network, tiled first, without operating points.

    Which one is the default is settled by `variants.order_modes`, on converted networks.

    A network without a map is read as the original was: the logit of the whole image, and a
    temperature. One with a map was fitted on patches of which 40 % show a fracture: each of its
    modes gets weights and an offset, and a temperature that is about 1 after that.

    Parameters
    ----------
    inputs
        Of tune, with the tiles of `TILED_MODE` where the network has a map.
    outputs
        Of the Keras network.
    """
    if outputs.maps is None:
        return (_with_temperature(plain_mode(), inputs, outputs),)
    fitted = []
    for name, tile_mode in ((TILED, TILED_MODE), (WHOLE, WHOLE_MODE)):
        scores = pool_scores(inputs, outputs, tile_mode).oriented(tile_mode.terms)
        fusion = fit_fusion(scores, inputs.images.class_index)
        weights = dict(zip(tile_mode.terms, fusion.weights, strict=True))
        if tile_mode.tiles:
            weights.pop("whole", None)  # tiles that only the whole image's logit outweighs
        if not any(weights.values()):
            logger.warning("mode %s left out: its scores carry no information on tune", name)
            continue
        mode = _with_temperature(_mode(name, tile_mode, fusion), inputs, outputs)
        logger.info("mode %s", _describe(mode))
        fitted.append(mode)
    return tuple(fitted)


def plain_mode() -> InferenceMode:
    """Return the mode whose logit is the network's own, without temperature and thresholds."""
    return _mode(WHOLE, WHOLE_MODE, Fusion(0.0, (1.0,)))


def input_mode(*, mapped: bool) -> TileMode:
    """Return the mode whose tiles the inputs of a network must hold."""
    return TILED_MODE if mapped else WHOLE_MODE


def scores_of(mode: InferenceMode, inputs: NetworkInputs, outputs: NetworkOutputs) -> TileScores:
    """Return what the outputs to `inputs` come to under a mode."""
    tile_mode = TileMode(mode.tiles, (), mode.tile_selection, mode.refinement)
    return pool_scores(inputs, outputs, tile_mode)


def logit_of(mode: InferenceMode, scores: TileScores) -> NDArray[np.float64]:
    """Return the images' logits of "not broken", (n,), before temperature."""
    return fuse_logits(mode, whole=scores.whole, tile=scores.tile, cell=scores.cell)


@dataclasses.dataclass(frozen=True, slots=True)
class QuantizedRange:
    """What an output can hold; everything for float."""

    lowest: float = -np.inf
    highest: float = np.inf
    step: float = 0.0


def quantized_range(tensor: TensorInfo) -> QuantizedRange:
    """Return the range of one output; its ends are the very numbers that the tensor gives."""
    if tensor.scale == 0.0:
        return QuantizedRange()
    limits = np.iinfo(tensor.dtype)
    # float32 as in the interpreter: ends in float64 would lie beside the steps, and none be on one.
    low, high = tensor.dequantize(np.array([limits.min, limits.max], tensor.dtype)).tolist()
    return QuantizedRange(low, high, tensor.scale)


def clip_to_range(
    outputs: NetworkOutputs, *, logit: QuantizedRange, cell: QuantizedRange
) -> NetworkOutputs:
    """Return the outputs, input by input, as the nearest that such outputs can hold."""
    maps = outputs.maps
    return dataclasses.replace(
        outputs,
        logits=np.clip(outputs.logits, logit.lowest, logit.highest),
        maps=None if maps is None else np.clip(maps, cell.lowest, cell.highest),
    )


def fused_range(
    mode: InferenceMode, *, logit: QuantizedRange, cell: QuantizedRange
) -> QuantizedRange:
    """Return what the mode's sum can hold; its step is that of all its outputs at once."""
    if logit.step == 0.0:
        return QuantizedRange()
    # A network without a map has a weight of 0 for it, and 0 times infinity is no number.
    low_cell, high_cell = (cell.lowest, cell.highest) if cell.step else (0.0, 0.0)
    return QuantizedRange(
        lowest=fuse_logits(mode, whole=logit.lowest, tile=logit.lowest, cell=high_cell),
        highest=fuse_logits(mode, whole=logit.highest, tile=logit.highest, cell=low_cell),
        step=(mode.whole_weight + mode.tile_weight) * logit.step + mode.map_weight * cell.step,
    )


def _mode(name: str, tile_mode: TileMode, fusion: Fusion) -> InferenceMode:
    weight = dict(zip(tile_mode.terms, fusion.weights, strict=True))
    return InferenceMode(
        name=name,
        tiles=tile_mode.tiles,
        tile_selection=tile_mode.selection,
        refinement=tile_mode.refinement,
        whole_weight=weight.get("whole", 0.0),
        tile_weight=weight.get("tile", 0.0),
        map_weight=weight.get("cell", 0.0),
        offset=fusion.offset,
        temperature=1.0,
        operating_points=(),
    )


def _with_temperature(
    mode: InferenceMode, inputs: NetworkInputs, outputs: NetworkOutputs
) -> InferenceMode:
    logit = logit_of(mode, scores_of(mode, inputs, outputs))
    temperature = fit_temperature(logit, inputs.images.class_index)
    return dataclasses.replace(mode, temperature=temperature)


def _describe(mode: InferenceMode) -> str:
    return (
        f"{mode.name}: {mode.offset:+.3f} + {mode.whole_weight:.3f} whole + "
        f"{mode.tile_weight:.3f} tiles - {mode.map_weight:.3f} highest cell, "
        f"temperature {mode.temperature:.3f}"
    )


CHUNK: Final = 64
"""Inputs between two steps of the progress bar."""


def run_inference(
    interpreter: Interpreter, x: NDArray[Any], *, output: OutputSpec, label: str
) -> NetworkOutputs:
    """Return the network's outputs to x, (v, height, width, 1), v >= 1, run once each."""
    starts = range(0, len(x), CHUNK)
    parts = [interpreter.run(x[i : i + CHUNK]) for i in track(starts, label=label)]
    return output.split(tuple(np.concatenate(of_all) for of_all in zip(*parts, strict=True)))
