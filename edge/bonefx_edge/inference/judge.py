"""From a network's outputs for one film to its decision."""

from bonefx_edge.inference.decision import Decision, OperatingPoint, decide
from bonefx_edge.inference.familiarity import Familiarity, apply_familiarity
from bonefx_edge.inference.tiling import InferenceMode, NetworkOutputs, all_features, image_logit


def judge(
    mode: InferenceMode,
    operating_point: OperatingPoint,
    familiarity: Familiarity | None,
    *,
    whole: NetworkOutputs,
    tiles: NetworkOutputs | None,
) -> Decision:
    """Return the decision for one film.

    `whole` is of one input; `tiles` of n >= 1, None in a mode without tiles.

    Raises
    ------
    InterpreterError
        If the logit is not finite.
    """
    logit = image_logit(mode, whole=whole, tiles=tiles)
    decision = decide(logit, temperature=mode.temperature, operating_point=operating_point)
    return apply_familiarity(decision, familiarity, all_features(whole, tiles))
