"""How many films of each label got each state, at an operating point."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bonefx_edge.inference.decision import OperatingPoint, State, state_of

from bonefx_train.data.pixels import Pixels
from bonefx_train.data.sample import Label, Sample
from bonefx_train.evaluation.metrics import Floats
from bonefx_train.evaluation.report import ConfusionRow


def count_states(
    samples: Sequence[Sample], measured: Pixels, *, p: Floats, points: Sequence[OperatingPoint]
) -> Iterator[ConfusionRow]:
    """Yield one row for each operating point and label; refused films count, too.

    Parameters
    ----------
    samples
        All films of the split.
    measured
        Those that could be read.
    p
        (n,), p_fracture of `measured`.
    """
    for point in points:
        state = {
            sample.key: state_of(float(score), point)
            for sample, score in zip(measured.samples, p, strict=True)
        }
        for label in Label:
            counts = Counter(
                state.get(sample.key, State.REFUSED) for sample in samples if sample.label is label
            )
            yield ConfusionRow(
                operating_point=point.name,
                label=label.value,
                fracture=counts[State.FRACTURE],
                uncertain=counts[State.UNCERTAIN],
                no_fracture=counts[State.NO_FRACTURE],
                refused=counts[State.REFUSED],
            )
