"""What benchmarks/peers tells: spread and ratios, bars, tables, a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.table import BARS, LINES, OURS, SETS, Row

Seconds = Mapping[tuple[str, str], Sequence[float]]
"""By set and row: of each question in the order they were asked, the same films for every row."""
NOTHING = "-"
BAR_WORDS = (
    "`whole` looks once, as every peer does; `closer`, the shipped default, looks at the film and "
    "at up to 16 tiles of it. Ratio: median over the films, as below."
)
TIME_WORDS = (
    "Milliseconds p50 (p95), and how many times what ours, int8, takes for the same film: median "
    "(5th to 95th percentile). More than 1: ours is faster. cpu: time of the processor, all "
    "threads of the process, median; much less than the time itself: the board was busy."
)
COST_WORDS = (
    "Start: from the start of the process to the first answer, a small film, median. MiB: the most "
    "memory that the process held after the films of that size. Installed: all files of what pip "
    "installs for it. Logit: largest difference from ours of that kind on {views} views, and what "
    "is allowed."
)


def times_ours(peer: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """Return how many times ours a peer takes, film by film: median, 5th and 95th percentile."""
    pairs = np.divide(peer, ours)
    return {f"p{q}": round(float(np.percentile(pairs, q)), 2) for q in (50, 5, 95)}


def bars(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for each bar and reading the least ratio of its peers; None where all are absent."""
    by_key = {row["key"]: row for row in rows}
    found = []
    for bar in BARS:
        for reading in OURS:
            ratios = {
                key: by_key[key]["times_ours"][reading][bar.set_name]["p50"]
                for key in bar.peers
                if key in by_key and reading in by_key[key]["times_ours"]
            }
            worst = min(ratios, key=lambda key: ratios[key]) if ratios else None
            ratio = ratios[worst] if worst else None
            found.append(
                {"says": bar.says, "set": bar.set_name, "reading": reading, "least": bar.least}
                | {"peer": worst, "ratio": ratio}
                | {"met": None if ratio is None else ratio >= bar.least}
            )
    return found


def title(row: Row) -> str:
    """Return a row's name for people."""
    made = {"keras": "float32", "onnx": "float32", "onnx-int8": "int8"}
    shown = made.get(row.network, row.network)
    return f"{row.title}, {shown}, {row.lines}"


def markdown(report: Mapping[str, Any]) -> str:
    """Return the report as a page."""
    around = report["circumstances"]
    parts = [
        "# Against what a user would pick instead",
        "Made by `make peers`; do not edit. What is measured, and how: docs/performance.md.",
        "  ".join(f"{key}: {value}" for key, value in around.items()),
        *([f"**{report['note']}**"] if report["note"] else []),
        *_sets(report),
        "## Bars",
        BAR_WORDS,
        _table(
            ("films", "at least", "times ours against", "reading", "ratio", "of", "met"),
            [_bar_cells(bar) for bar in report["bars"]],
        ),
        "## Time from file to answer",
        TIME_WORDS,
        _table(_time_head(report), [_time_cells(row, report) for row in report["rows"]]),
        "Lines: " + "; ".join(f"*{name}*: {what}" for name, what in LINES.items()) + ".",
        "## Start, memory, size, agreement",
        COST_WORDS.format(views=report["checked_views"]),
        _table(
            ("peer", "start s", *(f"MiB, {name}" for name in SETS), "installed MiB", "logit", "is"),
            [_cost_cells(row) for row in report["rows"]],
        ),
        *_absent(report),
    ]
    return "\n\n".join(parts) + "\n"


def _sets(report: Mapping[str, Any]) -> list[str]:
    return [
        f"- {name}: {part['films']} {SETS[name]}, {part['rounds']} times each; "
        f"{part['refused']} more that ours refuses are left out for all"
        for name, part in report["sets"].items()
    ]


def _absent(report: Mapping[str, Any]) -> list[str]:
    if not report["absent"]:
        return []
    return [
        "## Absent",
        _table(("peer", "why"), [(row["title"], row["reason"]) for row in report["absent"]]),
    ]


def _bar_cells(bar: Mapping[str, Any]) -> tuple[str, ...]:
    met = {None: "not measured", True: "yes", False: "**no**"}[bar["met"]]
    ratio = NOTHING if bar["ratio"] is None else f"{bar['ratio']:.2f}"
    least = f"{bar['least']:g}"
    return (bar["set"], least, bar["says"], bar["reading"], ratio, bar["peer"] or NOTHING, met)


def _time_head(report: Mapping[str, Any]) -> tuple[str, ...]:
    of_set = [
        (f"{name} ms", "cpu ms", *(f"{name}, times ours `{reading}`" for reading in OURS))
        for name in report["sets"]
    ]
    return ("peer, network, lines", *(cell for cells in of_set for cell in cells))


def _time_cells(row: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[str, ...]:
    cells = [f"**{row['title']}**" if row["ours"] else row["title"]]
    for name in report["sets"]:
        ms = row["ms"].get(name)
        cells.append(f"{ms['p50']:.1f} ({ms['p95']:.1f})" if ms else NOTHING)
        cells.append(f"{row['cpu_ms'][name]['p50']:.1f}" if ms else NOTHING)
        for reading in OURS:
            ratio = row["times_ours"].get(reading, {}).get(name)
            cells.append(
                f"{ratio['p50']:.2f} ({ratio['p5']:.2f} to {ratio['p95']:.2f})"
                if ratio
                else NOTHING
            )
    return tuple(cells)


def _ratio_cell(ratio: Mapping[str, float]) -> str:
    return f"{ratio['p50']:.2f} ({ratio['p5']:.2f} to {ratio['p95']:.2f})"


def _cost_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    peaks = [row["peak_mib"].get(name) for name in SETS]
    off = f"{row['logit_off']:.2g} of {row['logit_allowed']:.2g}"
    return (
        row["title"],
        f"{row['start_s']['p50']:.2f}" if row["start_s"] else NOTHING,
        *(f"{peak:.0f}" if peak else NOTHING for peak in peaks),
        f"{row['installed_mib']:.0f}",
        off,
        row["facts"]["runtime"],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Write the figure: time from file to answer, a panel for each set, ours in color."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = report["rows"]
    figure = Figure(figsize=(13, 0.3 * len(rows) + 1.6), layout="constrained")
    panels = figure.subplots(1, len(report["sets"]), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, report["sets"], strict=True):
        _draw_set(panel, rows, name)
        of_set = report["sets"][name]
        panel.set_title(f"{of_set['films']} {_plain(SETS[name])}", fontsize=9)
    panels[0].set_yticks(range(len(rows)), [_plain(row["title"]) for row in rows], fontsize=8)
    panels[0].invert_yaxis()
    around = report["circumstances"]
    about = ["One network (lite0), one thread", around["board"], around["date"], report["note"]]
    figure.suptitle(", ".join(part for part in about if part), fontsize=10)
    FigureCanvasAgg(figure).print_png(path)


def _draw_set(panel: Any, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    # Points, not bars: a bar on a logarithmic axis begins nowhere.
    for at, row in enumerate(rows):
        ms = row["ms"].get(name)
        if not ms:
            continue
        late = [[0.0], [ms["p95"] - ms["p50"]]]
        color = "tab:orange" if row["ours"] else "tab:blue"
        panel.errorbar(ms["p50"], at, xerr=late, fmt="o", color=color, capsize=2)
        panel.annotate(
            f"{ms['p50']:.1f}", (ms["p50"], at), (-6, 0), textcoords="offset points",
            ha="right", va="center", fontsize=8,
        )  # fmt: skip
        if row["key"] == OURS["whole"]:
            panel.axvline(ms["p50"], color=color, linewidth=0.8, linestyle=":")
    panel.set_xscale("log")
    low, high = panel.get_xlim()
    panel.set_xlim(low / 1.4, high)
    for axis in (panel.xaxis.set_major_formatter, panel.xaxis.set_minor_formatter):
        axis(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")
    panel.set_xlabel("ms from file to answer, median; whisker to the 95th percentile")
    panel.grid(axis="x", which="both", alpha=0.2)


def _plain(text: str) -> str:
    return text.replace("`", "")
