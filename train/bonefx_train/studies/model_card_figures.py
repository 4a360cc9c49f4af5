# ruff: noqa: D103
"""The blocks of the model card that are read from benchmarks/reference, and how a figure looks."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bonefx_edge.model.manifest import Manifest

NOT_MEASURED = "Not measured."
SHOWN_OF_HASH = 12
ACCURACY = (
    *("auc", "sensitivity", "specificity"),
    *("called_fracture", "called_no_fracture", "uncertain"),
)
BY_SUBSET = ("auc", "sensitivity", "specificity", "uncertain")
STAGES = ("invoke", "tiles", "total")
"""Of the stages of one film, those that the model decides about."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shipped:
    """One model file of the package."""

    name: str
    size_bytes: int
    sha256: str
    manifest: Manifest


@dataclasses.dataclass(frozen=True, slots=True)
class Package:
    """The shipped model files."""

    models: tuple[Shipped, ...]
    default: Shipped
    """Used where none is named."""

    def holds(self, model: Mapping[str, str]) -> bool:
        """Return whether a measured model file is one of the shipped ones, to the byte."""
        return model["sha256"] in {each.sha256 for each in self.models}

    def name(self, model: Mapping[str, str]) -> str:
        """Return the name of a shipped file, and what tells any other measured file apart."""
        for each in self.models:
            if each.sha256 == model["sha256"]:
                return each.name
        return f"{model['name']} {model['version']} `{model['sha256'][:SHOWN_OF_HASH]}`"


def model_ids(report: object) -> Iterator[dict[str, str]]:
    """Yield every object of a report that names a model file by its hash."""
    if isinstance(report, dict):
        if {"name", "version", "sha256"} <= set(report):
            yield report
        report = list(report.values())
    if isinstance(report, list):
        for value in report:
            yield from model_ids(value)


def accuracy(report: Any, package: Package) -> list[str]:
    evaluations = list(zip(report["models"], report["evaluations"], strict=True))
    first = evaluations[0][1]
    lines = [
        f"FracAtlas {first['split']}: {first['rows'][0]['n'] + len(first['refused'])} films; each",
        f"model is measured on those that it answered. {first['interval']}.",
        "",
    ]
    if first["baseline_auc"] is not None:
        lines += [
            f"**Features that look at no pixel reach an AUC of {first['baseline_auc']:.2f}.**"
        ]
        lines += [""]
    lines += table_head("model", "operating point", "films", "fractured", "refused", *ACCURACY)
    for model, evaluation in evaluations:
        named = {figure["name"]: figure for figure in evaluation["rows"][0]["figures"]}
        point, of = evaluation["operating_point"]["name"], evaluation["rows"][0]
        counts = (str(n) for n in (of["n"], of["fractured"], len(evaluation["refused"])))
        figures = (figure_cell(named[name]) for name in ACCURACY)
        lines.append(row(package.name(model), point, *counts, *figures))
    return lines + _of_default(evaluations, package) + _changes(report["comparisons"])


def _of_default(evaluations: Sequence[tuple[Any, Any]], package: Package) -> list[str]:
    """Return every figure of the default model, and those of each subset."""
    name = package.default.name
    of = next((e for m, e in evaluations if m["sha256"] == package.default.sha256), None)
    if of is None:
        return ["", f"`{name}` itself: {NOT_MEASURED.lower()}"]
    lines = ["", f"`{name}`, all figures:", "", *figure_table(of["rows"][0]["figures"])]
    lines += ["", "By subset; a film that shows two body parts counts in both:", ""]
    lines += table_head("films", "n", "fractured", "groups", *BY_SUBSET)
    for each in of["rows"]:
        named = {figure["name"]: figure for figure in each["figures"]}
        counts = (str(each[key]) for key in ("subset", "n", "fractured", "groups"))
        lines.append(row(*counts, *(figure_cell(named[name]) for name in BY_SUBSET)))
    return lines


def _changes(comparisons: Sequence[Any]) -> list[str]:
    lines = ["", "What the kinds change, on the films that both answered:", ""]
    lines += table_head("model", "against", "AUC change", "states changed", "films")
    for c in comparisons:
        low, high = c["auc_change_95"]
        change = f"{c['auc_change']:+.4f} ({low:+.4f} to {high:+.4f})"
        counts = (str(c["state_flips"]), str(c["films"]))
        lines.append(row(c["model"], c["reference"], change, *counts))
    return lines if comparisons else []


def elsewhere(report: Any, package: Package) -> list[str]:
    lines = [report["caveat"], "", *table_head("set", "what", "films", "groups", "boxes")]
    lines += [row(*(str(value) for value in each.values())) for each in report["sets"]]
    results = report["results"]
    meanings = {f["name"]: f["meaning"] for each in results[0]["sets"] for f in each["figures"]}
    lines += ["", f"A refused film is in no figure. {report['interval']}.", ""]
    lines += [f"- {name}: {meaning}" for name, meaning in meanings.items()]
    lines += ["", *table_head("model, reading", *(f["name"] for f in results[0]["aucs"]))]
    lines += [row(r["name"], *(figure_cell(figure) for figure in r["aucs"])) for r in results]
    for index, each in enumerate(report["sets"]):
        names = [figure["name"] for figure in results[0]["sets"][index]["figures"]]
        lines += ["", f"{each['name']}, at the default operating point:", ""]
        lines += table_head("model, reading", "refused", *names, "p_fracture, quartiles")
        for result in results:
            of = result["sets"][index]
            refused = f"{of['films'] - of['answered']} of {of['films']}"
            if of["refused"]:
                refused += f" ({plain(of['refused'])})"
            quartiles = " / ".join(f"{v:.3f}" for v in (of["p_fracture"] or {}).values())
            lines.append(row(result["name"], refused, *map(figure_cell, of["figures"]), quartiles))
    for result in results:
        if result["has_map"]:
            lines += ["", f"{result['name']}, boxes of web_pool; a refused film is a miss:", ""]
            lines += figure_table(result["pointing"])
    return lines


def pointing(report: Any, package: Package) -> list[str]:
    return [
        f"{package.name(report['model'])}, reading {report['reading']}, on {report['data']}",
        f"{report['split']}: {report['films']} of {report['films_of_the_split']} fractured films,",
        f"{report['boxes']} boxes, {report['groups']} groups; refused, each a miss:",
        f"{sum(report['refused'].values())}. {report['interval']}.",
        "",
        *figure_table(report["figures"]),
    ]


def robustness(report: Any, package: Package) -> list[str]:
    rows = report["rows"]
    names = [figure["name"] for figure in rows[0]["figures"]]
    lines = [
        f"{package.name(report['model'])}, reading {report['reading']}, on {report['data']}",
        f"{report['split']}: {report['films']} of {report['films_of_the_split']} films,",
        f"{rows[0]['fractured']} fractured; {report['refused_undisturbed']} refused undisturbed.",
        "",
        *(f"- {figure['name']}: {figure['meaning']}" for figure in rows[0]["figures"]),
        "",
        *table_head("disturbance", "fractured", *names),
    ]
    for each in rows:
        cells = map(figure_cell, each["figures"])
        lines.append(row(each["disturbance"], str(each["fractured"]), *cells))
    return lines


def gate(report: Any, package: Package) -> list[str]:
    """Return the rows as they are: one for each set, of plain values and of shares with n."""
    rows = report["rows"]
    lines = table_head(*rows[0])
    return lines + [row(*(_gate_cell(value) for value in each.values())) for each in rows]


def _gate_cell(value: Any) -> str:
    is_figure = isinstance(value, dict) and {"value", "low", "high", "n"} <= set(value)
    return figure_cell(value) if is_figure else plain(value)


def latency(report: Any, package: Package) -> list[str]:
    timed = {each["model"] for each in report["rows"]}
    absent = [model.name for model in package.models if model.name not in timed]
    lines = ["; ".join(f"{key} {plain(v)}" for key, v in report["circumstances"].items()) + "."]
    lines += [f"Not timed: {', '.join(absent)}."] if absent else []
    heads = [f"{stage}, p50 / p95 / p99 ms" for stage in STAGES]
    lines += ["", *table_head("model", "threads", "runtime", "films timed", *heads, "cold command")]
    for each in report["rows"]:
        warm, cold = each["warm"], each["cold"]
        stages = (spread(warm["stages_ms"].get(stage)) for stage in STAGES)
        who = (each["model"], str(each["threads"]), each["runtime"], str(warm["n"]))
        lines.append(row(*who, *stages, f"{spread(cold['command_ms'])} (n {cold['n']})"))
    return lines


def table_head(*columns: str) -> list[str]:
    """Return the two lines that begin a Markdown table."""
    return [row(*columns), "|---" * len(columns) + "|"]


def row(*cells: str) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def figure_table(figures: Sequence[Any]) -> list[str]:
    """Return a line for each figure, with what it means."""
    lines = table_head("figure", "value (95 % interval; n)", "of what")
    return lines + [row(f["name"], figure_cell(f), f["meaning"]) for f in figures]


def figure_cell(figure: Any) -> str:
    """Return value, interval and n of a figure as a reference file holds it."""
    if figure["value"] is None:
        return "undefined"
    if figure["low"] is None:
        return f"{figure['value']:.3f} (n {figure['n']})"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f}; n {figure['n']})"


def spread(percentiles: Mapping[str, float] | None) -> str:
    if percentiles is None:
        return "-"
    return " / ".join(f"{value:.1f}" for value in percentiles.values())


def plain(value: object) -> str:
    """Return a value of JSON in one line, without its quotes and braces where it is flat."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(each)}" for key, each in value.items())
    return value if isinstance(value, str) else json.dumps(value)
