"""Draw how a fit went."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from bonefx_train.evaluation.plots import BLUE, GRAY, ORANGE, _figure, _write

if TYPE_CHECKING:  # fit imports Keras; drawing does not need it
    from bonefx_train.fit.fit import Epoch


def write_curves(path: Path, history: Sequence["Epoch"], *, kept: int) -> None:
    """Write loss and tune AUC by epoch; `kept` is the index of the epoch that was kept."""
    figure, (losses, aucs) = _figure("Fit", panels=2)
    epochs = range(1, len(history) + 1)
    losses.plot(
        epochs, [e.train_loss for e in history], "o-", color=BLUE, label="train (dropout on)"
    )
    losses.plot(epochs, [e.tune_loss for e in history], "s-", color=ORANGE, label="tune")
    losses.set(xlabel="epoch", ylabel="binary cross-entropy / nats", ylim=(0, None))
    aucs.plot(epochs, [e.tune_auc for e in history], "s-", color=ORANGE, label="tune AUC")
    aucs.set(xlabel="epoch", ylabel="AUC")
    for axes in (losses, aucs):
        axes.axvline(kept + 1, color=GRAY, linestyle="--", label=f"kept: epoch {kept + 1}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _write(figure, path)
