"""Report of benchmarks.peers: a Markdown page and a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.peers.table import LINES, OURS, SETS

NOTHING = "-"
PAGE = """\
# bonefx and other runtimes

Made by `make peers`; do not edit. What is measured, and how: docs/performance.md.

{circumstances}

{sets}

## Time from file to answer

Milliseconds p50 (p95), and how many times the time of bonefx, int8, for the same image: median (5th
to 95th percentile). More than 1: bonefx is faster. `whole` is one pass of the network, as for every
peer; `closer`, the default, is up to 17. cpu: processor time of all threads, median. If
it is much less than the time itself, the board was busy.

{times}

Lines: {lines}.

## Start, memory, size, agreement

Start: from the start of the process to the first answer, a small image, median. MiB: physical
memory at most after the images of that size. Installed: all files that pip installs for it. Logit:
largest difference from bonefx of that kind on {checked_inputs} inputs, and what is allowed.

{costs}
"""


def markdown(report: Mapping[str, Any]) -> str:
    """Return the report as a page."""
    sets = [
        f"- {name}: {part['films']} {SETS[name]}, {part['rounds']} times each; "
        f"{part['refused']} more that bonefx refuses are left out for all"
        for name, part in report["sets"].items()
    ]
    head = ["peer, network, lines"]
    for name in report["sets"]:
        head += [f"{name} ms", "cpu ms", *(f"{name}, times bonefx `{mode}`" for mode in OURS)]
    cost_head = ["peer", "start s", *(f"MiB, {name}" for name in SETS)]
    page = PAGE.format(
        circumstances="; ".join(f"{key} {v}" for key, v in report["circumstances"].items()),
        sets="\n".join(sets),
        times=_table(head, [_time_cells(row, report) for row in report["rows"]]),
        lines="; ".join(f"*{name}*: {what}" for name, what in LINES.items()),
        checked_inputs=report["checked_inputs"],
        costs=_table(
            [*cost_head, "installed MiB", "logit", "runtime"],
            [_cost_cells(row) for row in report["rows"]],
        ),
    )
    if report["absent"]:
        absent = [[row["title"], row["reason"]] for row in report["absent"]]
        page += f"\n## Absent\n\n{_table(['peer', 'reason'], absent)}\n"
    return page


def _time_cells(row: Mapping[str, Any], report: Mapping[str, Any]) -> list[str]:
    cells = [f"**{row['title']}**" if row["ours"] else row["title"]]
    for name in report["sets"]:
        if name not in row["ms"]:
            cells += [NOTHING] * (2 + len(OURS))
            continue
        ms = row["ms"][name]
        cells += [f"{ms['p50']:.1f} ({ms['p95']:.1f})", f"{row['cpu_ms'][name]['p50']:.1f}"]
        for ratio in (row["times_ours"][mode][name] for mode in OURS):
            cells.append(f"{ratio['p50']:.2f} ({ratio['p5']:.2f} to {ratio['p95']:.2f})")
    return cells


def _cost_cells(row: Mapping[str, Any]) -> list[str]:
    peaks = [row["peak_mib"].get(name) for name in SETS]
    return [
        row["title"],
        f"{row['start_s']['p50']:.2f}" if row["start_s"] else NOTHING,
        *(f"{peak:.0f}" if peak else NOTHING for peak in peaks),
        f"{row['installed_mib']:.0f}",
        f"{row['logit_off']:.2g} of {row['logit_allowed']:.2g}",
        row["facts"]["runtime"],
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Write the figure: time from file to answer, a panel for each set, bonefx in color."""
    rows = report["rows"]
    figure = Figure(figsize=(13, 0.3 * len(rows) + 1.6), layout="constrained")
    panels = figure.subplots(1, len(report["sets"]), sharey=True, squeeze=False)[0]
    for panel, (name, of_set) in zip(panels, report["sets"].items(), strict=True):
        for at, row in enumerate(rows):
            if name not in row["ms"]:
                continue
            ms, color = row["ms"][name], "tab:orange" if row["ours"] else "tab:blue"
            late = [[0.0], [ms["p95"] - ms["p50"]]]
            panel.errorbar(ms["p50"], at, xerr=late, fmt="o", color=color, capsize=2)
            panel.text(ms["p50"] / 1.05, at, f"{ms['p50']:.1f}", ha="right", va="center", size=8)
        panel.set_xscale("log")
        panel.set_xlabel("ms from file to answer, median; whisker to the 95th percentile")
        panel.grid(axis="x", which="both", alpha=0.2)
        panel.set_title(f"{of_set['films']} {SETS[name]}".replace("`", ""), fontsize=9)
    titles = [row["title"].replace("`", "") for row in rows]
    panels[0].set_yticks(range(len(rows)), titles, fontsize=8)
    panels[0].invert_yaxis()
    around = report["circumstances"]
    figure.suptitle(f"lite0, one thread, {around['board']}, {around['date']}", fontsize=10)
    FigureCanvasAgg(figure).print_png(path)
