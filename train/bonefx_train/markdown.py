"""Markdown from Jinja templates: the environment, and its functions for figures and tables."""

import dataclasses
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
from bonefx_edge import NOTICE

LINE: Final = 100
"""Characters."""


def open_templates(folder: Path) -> jinja2.Environment:
    """Return the Markdown templates of a folder, with the functions of this module."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- Markdown, from our own reports
    )
    filters = (paragraph, plain, shown, cell, cells, figure_table, spread, percentiles, parameters)
    environment.filters |= {each.__name__: each for each in filters}
    environment.globals |= {"zip": zip, "head": head, "notice": NOTICE}
    return environment


def paragraph(text: str) -> str:
    """Return the words of a text in lines of at most 100 characters."""
    return textwrap.fill(" ".join(text.split()), LINE, break_on_hyphens=False)


def head(*columns: str | Iterable[str]) -> str:
    """Return the two lines that begin a Markdown table; an argument is one column or several."""
    names = [name for each in columns for name in ([each] if isinstance(each, str) else each)]
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|"


def cell(figure: Any) -> str:
    """Return value, interval and n of a figure: a JSON object or a `Proportion`."""
    if dataclasses.is_dataclass(figure) and not isinstance(figure, type):
        figure = dataclasses.asdict(figure)
    if figure["value"] is None:
        return "undefined"
    interval = ""
    if figure["low"] is not None:
        interval = f"{figure['low']:.3f} to {figure['high']:.3f}; "
    n = f"n {figure['n']}" if "n" in figure else "95 %"
    return f"{figure['value']:.3f} ({interval}{n})"


def cells(figures: Iterable[Mapping[str, Any]], names: Sequence[str] = ()) -> str:
    """Return the figures of these names, default all, as neighboring cells of a row."""
    by_name = {figure["name"]: cell(figure) for figure in figures}
    return " | ".join(by_name[name] for name in names or by_name)


def figure_table(figures: Iterable[Mapping[str, Any]]) -> str:
    """Return a row for each figure, with its meaning."""
    rows = [f"| {f['name']} | {cell(f)} | {f['meaning']} |" for f in figures]
    return "\n".join([head("figure", "value (95 % interval; n)", "meaning"), *rows])


def spread(values: Mapping[str, float] | None, form: str) -> str:
    """Return percentiles, such as "1.5 / 2.5 / 3.5"; "-" for none."""
    return " / ".join(form % value for value in values.values()) if values else "-"


def percentiles(values: Sequence[float] | None) -> str:
    """Return shares, such as "0.850 / 0.900 / 0.950"; "-" for none."""
    return " / ".join(f"{value:.3f}" for value in values) if values else "-"


def shown(value: object, form: str) -> str:
    """Return a value in a form of `str.format`, such as "{0[low]:.3f} to {0[high]:.3f}"."""
    return form.format(value)


def plain(value: object) -> str:
    """Return a JSON value in one line, without quotes and braces where it is flat."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(each)}" for key, each in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def parameters(mode: Any) -> str:
    """Return the numbers of a mode of a model file, tiles included."""
    values = dataclasses.asdict(mode)
    tiles = values.pop("tiles")
    del values["name"], values["operating_points"]
    nested = {key: values.pop(key) for key in ("tile_selection", "refinement")}
    parts = [f"{key} {value:.4g}" for key, value in values.items()]
    parts += [f"tiles {plain(dict(spec))}" for spec in tiles]
    parts += [f"{key}: {plain(value)}" for key, value in nested.items() if value is not None]
    return "; ".join(parts)
