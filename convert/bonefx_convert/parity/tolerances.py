"""How far a converted network may differ from its Keras original."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bonefx_edge.errors import UsageError

OUTPUT_STEPS: Final = 256
"""Values of an int8 output; the logit range divided by it is the step that tolerances use."""

HALF_RANGE: Final = OUTPUT_STEPS / 2
"""An output that is taken for another misses by more than this."""
LARGEST: Final = 16.0
"""Largest of 100,000 errors, in standard deviations. Of a normal distribution it would be 4.4; an
input whose activations lie outside the range of the representative data set is off by more."""

OLD_NAMES: Final = {
    "view_median_steps": "input_median_steps",
    "view_max_steps": "input_max_steps",
    "jumps": "reversals",
}
"""Earlier names, still read."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Outside of any of them a kind is not written. The defaults are those of one layer.

    `of_depth` gives those of a deeper network; why so: docs/decisions/0043-any-keras-network.md.
    """

    float32_logit: float = 1e-3
    """Largest |logit difference|: same numbers summed in another order; 180,000 float32 products
    of size 1 err by about 1e-4. Never less than `float32_steps`."""
    float32_steps: float = 1e-3
    """The same in 1/256 of the Keras logit range, 4e-6 of it: a float32 has steps of 6e-8, and a
    sum of a thousand of them errs by about 30 of these. For networks with logits of hundreds."""
    float16_steps: float = 2.0
    """Largest |logit difference|, in 1/256 of the Keras logit range. A weight of 11 bits is off by
    1/8 of what an int8 weight is: an eighth of `dynamic_steps` is 1, and as much again for
    interpreters that also add in float16."""
    dynamic_steps: float = 8.0
    """Largest |logit difference|, in 1/256 of the Keras logit range. See `int8_steps`."""
    int8_steps: float = 8.0
    """Largest |logit difference| inside the output range, and largest spread between interpreters,
    in output steps: 8 standard deviations of the rounding of one layer."""
    input_median_steps: float = 2.0
    """Median |difference| of one output (logit, map, features) over all inputs and elements, in its
    own steps, for int8 and dynamic kinds; never less than 2."""
    input_max_steps: float = 32.0
    """Largest such difference, on 100,000 and more numbers. It shows an output taken for another or
    a scale read wrongly, which miss by the whole range of 256. For float16, an eighth of both
    `input_` tolerances, as `float16_steps` says."""
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
    """Share of images whose state (fracture, uncertain, no_fracture) differs. Where more of the
    original's scores lie within one standard deviation of rounding (`rounding_steps`) of its
    thresholds, that share: those may change sides."""
    rounding_steps: float = 1.0
    """Standard deviation of what int8 rounding does to the output, in its steps."""
    reversals: int = 0
    """Images that go from fracture to no_fracture or back, across the whole band."""
    sensitivity_loss: float = 0.05
    """Sensitivity of the original minus that of the converted network: 5 in 100 fractured."""
    specificity_loss: float = 0.05
    """Same, for images without fracture."""

    @classmethod
    def of_depth(cls, depth: int, changes: Mapping[str, float] | None = None) -> "Tolerances":
        """Return the tolerances of a network with `depth` layers that have weights, one or more.

        Each layer rounds its weights and its result, by about one step of its output in all
        (standard deviation, measured); the errors of layers add up like a random walk. So all that
        is counted in steps grows with the square root of the depth. `changes`: values that replace
        these, by name.
        """
        walk = math.sqrt(depth)
        base = cls()
        scaled = {
            "float32_steps": base.float32_steps * walk,
            "float16_steps": base.float16_steps * walk,
            "dynamic_steps": base.dynamic_steps * walk,
            "int8_steps": base.int8_steps * walk,
            "input_median_steps": max(base.input_median_steps, walk),
            "input_max_steps": min(max(base.input_max_steps, LARGEST * walk), HALF_RANGE),
            "rounding_steps": walk,
        }
        return dataclasses.replace(base, **(scaled | dict(changes or {})))  # type: ignore[arg-type]


def parse_tolerances(settings: Iterable[str]) -> dict[str, float]:
    """Return what "name=value" settings replace, by the name of the tolerance.

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
    return changes


def _unknown_tolerance(setting: str, known: Iterable[str]) -> UsageError:
    return UsageError(
        f"--tolerance: expected NAME=NUMBER, >= 0, with NAME one of {', '.join(known)}, "
        f"got {setting!r}"
    )
