"""Curves of a fit and figures of an evaluation, each as PNG, SVG and PDF."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bonefx_edge.inference.decision import OperatingPoint
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bonefx_train.evaluation.metrics import (
    Bools,
    Floats,
    auc,
    precision_recall_curve,
    reliability_bins,
    roc_curve,
)
from bonefx_train.evaluation.report import Row

if TYPE_CHECKING:  # fit imports Keras; drawing does not need it
    from bonefx_train.fit.fit import Epoch

DPI: Final = 120
FORMATS: Final = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Suffix -> metadata: without a date, so that the same figures give the same bytes."""
BLUE: Final = "#1f5fa8"
ORANGE: Final = "#c8590a"
GRAY: Final = "#777777"


def write_roc(
    path: Path, p_fracture: Floats, fractured: Bools, *, point: OperatingPoint, title: str
) -> None:
    """Write the ROC curve with both thresholds of the operating point; needs both classes."""
    figure, (axes,) = _figure(title, panels=1)
    false_positive_rate, sensitivity = roc_curve(p_fracture, fractured)
    images = f"n {len(fractured)}, {fractured.sum()} fractured"
    axes.plot([0, 1], [0, 1], color=GRAY, linestyle=":", label="chance")
    axes.plot(
        false_positive_rate,
        sensitivity,
        color=BLUE,
        label=f"AUC {auc(p_fracture, fractured):.3f} ({images})",
    )
    for threshold, marker, name in (
        (point.no_fracture_below, "v", "no_fracture below"),
        (point.fracture_from, "^", "fracture from"),
    ):
        above = p_fracture >= threshold
        axes.plot(
            above[~fractured].mean(),
            above[fractured].mean(),
            marker,
            color=ORANGE,
            markersize=9,
            linestyle="none",
            label=f"{name} {threshold:.3f}",
        )
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.01))
    axes.set_aspect("equal")
    _write(figure, path)


def write_precision_recall(path: Path, p_fracture: Floats, fractured: Bools, *, title: str) -> None:
    """Write PPV against sensitivity, and the PPV of chance; needs both classes."""
    figure, (axes,) = _figure(title, panels=1)
    sensitivity, ppv = precision_recall_curve(p_fracture, fractured)
    prevalence = float(fractured.mean())
    axes.axhline(
        prevalence, color=GRAY, linestyle=":", label=f"chance: prevalence {prevalence:.3f}"
    )
    axes.step(
        sensitivity,
        ppv,
        where="pre",
        color=BLUE,
        label=f"n {len(fractured)}, {fractured.sum()} fractured",
    )
    axes.set(xlabel="sensitivity", ylabel="PPV, at this prevalence", xlim=(0, 1), ylim=(0, 1.01))
    axes.set_aspect("equal")
    _write(figure, path)


def write_forest(path: Path, rows: Sequence[Row], *, title: str) -> None:
    """Write the AUC of each subset of the films with its interval; a row without one is named."""
    figure, (axes,) = _figure(title, panels=1)
    for position, row in enumerate(rows):
        found = row.figure("auc")
        if found.value is None:
            axes.text(0.5, position, "undefined: one class only", va="center", ha="center")
            continue
        axes.plot(found.value, position, "s", color=BLUE)
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [position, position], color=BLUE)
    axes.axvline(0.5, color=GRAY, linestyle=":", label="chance")
    names = [f"{row.subset}\n(n {row.n}, {row.fractured} fractured)" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlabel="AUC (95 % interval over groups)", xlim=(0, 1.02), ylim=(len(rows) - 0.5, -0.5))
    _write(figure, path)


def write_reliability(path: Path, p_fracture: Floats, fractured: Bools, *, title: str) -> None:
    """Write what share was fractured against p_fracture, and how p_fracture is distributed."""
    figure, (axes, counts) = _figure(title, panels=2)
    bins = reliability_bins(p_fracture, fractured)
    true = [share.value for _, share in bins]
    below = [share.value - share.low for _, share in bins]
    above = [share.high - share.value for _, share in bins]
    axes.plot([0, 1], [0, 1], color=GRAY, linestyle=":", label="p_fracture is true")
    axes.errorbar(
        [mean for mean, _ in bins],
        true,
        yerr=[below, above],
        fmt="o-",
        color=BLUE,
        capsize=3,
        label="images in tenths (Wilson 95 %)",
    )
    axes.set(xlabel="mean p_fracture", ylabel="share fractured", xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    groups = [p_fracture[~fractured], p_fracture[fractured]]
    names = [
        f"{name} (n {len(p)})"
        for name, p in zip(("not fractured", "fractured"), groups, strict=True)
    ]
    counts.hist(groups, bins=20, range=(0, 1), color=[BLUE, ORANGE], label=names, density=True)
    counts.set(xlabel="p_fracture", ylabel="density within the class", xlim=(0, 1))
    _write(figure, path)


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


def _figure(title: str, *, panels: int) -> tuple[Figure, list[Axes]]:
    # A Figure with its own canvas, not pyplot: no global state, no display, nothing to close.
    figure = Figure(figsize=(5.5 * panels, 5.2), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    return figure, [figure.add_subplot(1, panels, i + 1) for i in range(panels)]


def _write(figure: Figure, path: Path) -> None:
    """Write the figure in each format; `path` names the PNG."""
    for axes in figure.axes:
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="best", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Text stays text, in fonts that journals accept (42: TrueType).
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "bonefx", "pdf.fonttype": 42}):
        for suffix, metadata in FORMATS.items():
            figure.savefig(path.with_suffix(suffix), metadata=metadata)
