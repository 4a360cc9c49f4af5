"""The page of runtimes_report.py: what runs the same model file how differently, as Markdown."""

from collections.abc import Sequence
from typing import Any

from bonefx_edge import NOTICE

TITLE = "One model file, several runtimes and machines"
CAVEAT = (
    "Columns that say qemu-user were computed by an emulated processor: what they say of numbers"
    " holds for a board as far as the emulator is exact; of time they say nothing."
)
WORDS = (
    "Films of {sets}, evenly spaced in the order of the manifest; labels play no part. Logits are"
    ' of "not broken", before temperature, of films that passed the input check. A step is what the'
    " logit moves by if the output of every view moves by one int8 step. Other logit: films that"
    " differ by more than 0.001; other pixels: films of which the network was shown something"
    " else: OpenCV shrinks a few pixels to another gray level on another kind of processor;"
    " alike: largest difference on the films with the same pixels."
    " A flip is a film whose state is not the same in all columns; opposite: *fracture* in one,"
    " *no_fracture* in another."
)
HOLDS = (
    "All holds that must: the same pixels on one kind of processor, float logits to 0.001 on the"
    " same pixels, every uncertain band wider than the spread, no film called the opposite."
)


def markdown(
    summaries: Sequence[dict[str, Any]], *, sets: Sequence[str], wrong: Sequence[str]
) -> str:
    """Return the page.

    Parameters
    ----------
    summaries
        Of each model and reading, as `runtimes_report.summarize` makes them.
    sets
        Names of the data sets and splits.
    wrong
        Sentences on what does not hold.
    """
    words = WORDS.format(sets=", ".join(sets))
    judged = [f"**{line}**" for line in wrong] or [HOLDS]
    lines = [f"# {TITLE}", "", f"**{NOTICE}**", "", CAVEAT, "", words, "", *judged]
    for summary in summaries:
        lines += ["", *_section(summary)]
    return "\n".join([*lines, ""])


def _section(summary: dict[str, Any]) -> list[str]:
    spread, columns = summary["spread"], summary["columns"]
    steps = f", {spread['max_steps']} steps of {summary['step']:.4f}" if summary["step"] else ""
    lines = [
        f"## {summary['model']['name']}, reading `{summary['reading']}`",
        "",
        (
            f"{summary['films']} films: {summary['answered_by_all']} answered in every column,"
            f" {summary['refused_by_all']} refused in every one,"
            f" {len(summary['refused_by_some'])} refused in some."
            f" Spread, highest less lowest logit of a film: largest {spread['max']:.4g}{steps};"
            f" p99 {spread['p99']:.4g}, median {spread['median']:.4g}."
        ),
        "",
        *(f"- {_letter(i)}: {name}" for i, name in enumerate(columns)),
        "",
        "| two columns | films | largest | in steps | p99 | other logit | other pixels | alike |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for pair in summary["pairs"]:
        a, b = (_letter(columns.index(name)) for name in pair["columns"])
        in_steps = "" if pair["max_steps"] is None else f"{pair['max_steps']:.1f}"
        largest = pair["max_same_pixels"]
        alike = "" if largest is None else f"{largest:.2g}"
        lines.append(
            f"| {a} {b} | {pair['films']} | {pair['max']:.2g} | {in_steps} | {pair['p99']:.2g}"
            f" | {pair['other_logit']} | {pair['other_pixels']} | {alike} |"
        )
    lines += ["", "| operating point | uncertain band | contains the spread | flips | opposite |"]
    lines += ["|---|---|---|---|---|"]
    for point in summary["operating_points"]:
        contains = "yes" if point["contains_spread"] else "**no**"
        share = spread["max"] / point["band"]
        lines.append(
            f"| {point['operating_point']} | {point['band']:.3f} | {contains}: {share:.0%} of it"
            f" | {point['flips']} | {point['opposite']} |"
        )
    return [*lines, *_films(summary)]


def _letter(index: int) -> str:
    return "ABCDEFGHIJKLMNOP"[index]


def _films(summary: dict[str, Any]) -> list[str]:
    """Return a row for each film that is not told the same everywhere."""
    head = " | ".join(_letter(index) for index in range(len(summary["columns"])))
    rows = [
        f"| {point['operating_point']} | {film['film']} | "
        + " | ".join(
            f"{state} {logit:.2f}"
            for state, logit in zip(film["states"], film["logits"], strict=True)
        )
        + " |"
        for point in summary["operating_points"]
        for film in point["films"]
    ]
    rows += [
        f"| input check | {film['film']} | "
        + " | ".join("refused" if x is None else f"answered {x:.2f}" for x in film["logits"])
        + " |"
        for film in summary["refused_by_some"]
    ]
    if not rows:
        return ["", "No film is told otherwise in another column."]
    return ["", f"| flips | film | {head} |", "|---" * (2 + len(summary["columns"])) + "|", *rows]
