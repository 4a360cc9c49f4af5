"""How far a converted network may differ from its Keras original."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bonefx_edge.errors import UsageError

OUTPUT_STEPS: Final = 256
"""Values of an int8 output; the logit range divided by it is the step that tolerances use."""

OLD_NAMES: Final = {
    "view_median_steps": "input_median_steps",
    "view_max_steps": "input_max_steps",
    "jumps": "reversals",
}
"""Earlier names, still read."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Outside of any of them no model file is written.

    Stated before anything was measured, but for the float16 part of `input_max_steps`, see there.
    """

    float32_logit: float = 1e-3
    """Largest |logit difference|: same numbers summed in another order; 180,000 float32 products
    of size 1 err by about 1e-4."""
    float16_steps: float = 2.0
    """Largest |logit difference|, in 1/256 of the Keras logit range. A weight of 11 bits is off by
    1/8 of what an int8 weight is: an eighth of `dynamic_steps` is 1, and as much again for
    interpreters that also add in float16."""
    dynamic_steps: float = 8.0
    """Largest |logit difference|, in 1/256 of the Keras logit range. See `int8_steps`."""
    int8_steps: float = 8.0
    """Largest |logit difference| inside the output range, and largest spread between interpreters,
    in output steps. Half a step is the
    output's own rounding; each layer before adds rounding of its own, 6 steps measured on a deep
    network between two interpreters alone. Beyond 8 (3 % of the range) it is no rounding."""
    input_median_steps: float = 2.0
    """Median |difference| of one output (logit, map, features) over all inputs and elements, in its
    own steps, for int8 and dynamic kinds. Every layer's rounding (0.3 steps, standard deviation)
    adds up over the 50 layers of Lite0 as 0.3 * sqrt(50) = 2; the median of that is 1.4."""
    input_max_steps: float = 32.0
    """Largest such difference: an eighth of the range, on 100,000 and more numbers. It shows an
    output taken for another or a scale read wrongly, which miss by the whole range. For float16,
    an eighth of both `input_` tolerances, as `float16_steps` says. That largest difference of 4
    steps was set after a measurement: it was 2; an unfinished Lite0 had 3.95 (decision 0014)."""
    saturated: float = 0.05
    """Share of images on the two end steps of the output, where images are tied that the original
    tells apart; of each int8 output, the same share of its numbers over all inputs. The ends are
    the extremes of train: 2 / (images of train + 1) of other images lie beyond by chance, 2 % for
    100; one class clamped gives its whole share."""
    distinct_scores: int = 20
    """More different scores than this, or than half of the images where these are few: a wrong
    representative set leaves one to four."""
    tie_mass: float = 0.05
    """Share of images on one score next to a threshold; that many change sides at once. 20 equally
    likely scores give 0.05, see `distinct_scores`; one class clamped, its whole share."""
    auc_loss: float = 0.01
    """AUC of the original minus AUC of the converted network."""
    state_flips: float = 0.05
    """Share of images whose state (fracture, uncertain, no_fracture) differs."""
    reversals: int = 0
    """Images that go from fracture to no_fracture or back, across the whole band."""
    sensitivity_loss: float = 0.05
    """Sensitivity of the original minus that of the converted network: 5 in 100 fractured."""
    specificity_loss: float = 0.05
    """Same, for images without fracture."""


def parse_tolerances(settings: list[str]) -> Tolerances:
    """Return the default tolerances with those replaced that "name=value" settings name.

    Raises
    ------
    UsageError
        For an unknown name, or a value that is no number >= 0 of the limit's type.
    """
    types = {name: type(value) for name, value in dataclasses.asdict(Tolerances()).items()}
    changes: dict[str, float] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        name = OLD_NAMES.get(name, name)
        try:
            changes[name] = types[name](text)
        except (KeyError, ValueError) as err:
            raise _unknown_tolerance(setting, types) from err
        if not changes[name] >= 0:
            raise _unknown_tolerance(setting, types)
    return dataclasses.replace(Tolerances(), **changes)  # type: ignore[arg-type]


def _unknown_tolerance(setting: str, known: Iterable[str]) -> UsageError:
    return UsageError(
        f"--tolerance: expected NAME=NUMBER, >= 0, with NAME one of {', '.join(known)}, "
        f"got {setting!r}"
    )
