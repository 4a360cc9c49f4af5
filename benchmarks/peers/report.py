"""Report of benchmarks.peers: a Markdown page and a figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bonefx_train.markdown import open_templates
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.peers.table import LINES, OURS, SETS


def markdown(report: Mapping[str, Any]) -> str:
    """Return the report as a page."""
    template = open_templates(Path(__file__).parent).get_template("peers.md.j2")
    return template.render(report=report, sets=SETS, lines=LINES, ours=list(OURS))


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
