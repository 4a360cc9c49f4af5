"""The report of a commissioning as one HTML page: no script, no other file, no network."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bonefx_edge.diagnostics.commissioning.chart import draw_scores
from bonefx_edge.diagnostics.commissioning.report import ALL
from bonefx_edge.errors import ADVICE, Reason
from bonefx_edge.inference.ages import AgeRange
from bonefx_edge.inference.decision import Caution
from bonefx_edge.inference.score_scale import shown
from bonefx_edge.text import printable

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{padding:.2rem .7rem;text-align:right;
border-bottom:1px solid #ccc}th:first-child,td:first-child{text-align:left}
.notice{background:#fff3cd;padding:.5rem 1rem}svg text{font:12px system-ui,sans-serif}
code{background:#f2f2f2;padding:0 .2rem}
"""
_STATES: Final = ("fracture", "uncertain", "no_fracture", "refused")
_NAMES: Final = {"model": "without the profile", "site": "with the profile"}
"""Of the two pairs of thresholds."""
_LIMITS: Final = {
    "normal": ("fracture_from", "called fracture"),
    "fractured": ("no_fracture_below", "called no fracture"),
}
"""Class -> the limit that its films chose, and what is wrong beyond it."""


def make_page(report: Mapping[str, Any], *, profile_name: str) -> str:
    """Return the page of a report of `make_report`.

    Parameters
    ----------
    profile_name
        Name of the file of the site profile, for the commands that use it.
    """
    parts = [
        "<h1>Commissioning report</h1>",
        f'<p class="notice">{_text(report["notice"])}</p>',
        _summary(report),
        "<h2>What the thresholds of this site promise</h2>",
        *(_paragraph(line) for line in _promises(report)),
        "<h2>What the model does with these films</h2>",
        draw_scores(report["scores"]["normal"], report["scores"]["fractured"]),
        _paragraph(
            "Scores of the films, on the scale that readers see with this profile: below 0.33 no "
            "fracture, from 0.67 fracture."
        ),
        *_state_tables(report),
        _paragraph(
            f"In brackets: {report['interval']}. Refused films are not in specificity and "
            "sensitivity. What is counted is the state, as people see it: a film with a caution is "
            "uncertain, so it is neither called fracture nor no fracture. "
            "Several films of one patient make an interval too narrow. The "
            "thresholds of the site were chosen on these same films; the promise above is what "
            "holds for further films."
        ),
        *_refusals(report["refused"]),
        *_switches(report["accepted"]),
        "<h2>On average, or guaranteed</h2>",
        _rules(report["rules"], report["limits"]["fracture_from"]),
        "<h2>What to do now</h2>",
        *_next_steps(report, profile_name),
        *_films(report["films"]),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Commissioning report</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _summary(report: Mapping[str, Any]) -> str:
    model = report["model"]
    return _table(
        ("", ""),
        [
            ("date", report["created"]),
            ("by", report["by"]),
            ("model", f"{model['name']} {model['version']}, sha256 {model['sha256'][:12]}"),
            ("mode", model["mode"]),
            *((name, count_films(report[name])) for name in ("normal", "fractured")),
        ],
    )


def count_films(films: Mapping[str, Any]) -> str:
    """Return how many films of a class the report has, in words."""
    patients = (
        f"of {films['patients']} patients"
        if films["patients_known"]
        else f"(patients not given, counted as {films['patients']})"
    )
    return f"{films['films']} films {patients}, {films['refused']} refused"


def _promises(report: Mapping[str, Any]) -> list[str]:
    too_few = (
        "There were too few fractured films to set the lower threshold: it is the model's, or the "
        "upper one where that is lower. "
        "How many fractures are called no fracture at this site is not known well."
    )
    has_lower = report["limits"]["no_fracture_below"] is not None
    second = promise(report, "fractured") if has_lower else too_few
    return [promise(report, "normal"), second, *_opened_ages(report["ages"])]


def _opened_ages(ages: Mapping[str, Any] | None) -> list[str]:
    """Return at which ages the profile lets the model answer, as a list of one sentence or none."""
    if ages is None:
        return []
    line = (
        f"With this profile a film of a patient of {AgeRange(**ages)} never gets the caution "
        "age_out_of_range. That holds for ages in between of which you gave few films or none, "
        "too: look at the table by age."
    )
    return [line]


def promise(report: Mapping[str, Any], films: str) -> str:
    """Return what the limit that films of a class chose promises, in sentences.

    Parameters
    ----------
    films
        normal or fractured.
    """
    name, called = _LIMITS[films]
    limit, known = report["limits"][name], report[films]["patients_known"]
    of, are, unit, condition = (
        (f"patients with {films} films", f"have a film {called}", "patients", "")
        if known
        else (
            f"{films} films",
            f"are {called}",
            "films",
            "each of these films is of another patient, and ",
        )
    )
    return (
        f"Of further {of}, on average at most {limit['expected']:.1%} {are}. With "
        f"{limit['confidence']:.0%} confidence it is at most {limit['at_most']:.1%} "
        f"(n = {limit['n']} {unit}). Refused films do not count; films with a caution do, and are "
        f"not {called}. This holds as long as "
        f"{condition}patients and X-ray equipment stay as they are."
    )


def _state_tables(report: Mapping[str, Any]) -> Iterable[str]:
    """Yield a table for all films, then one by body part and one by age where known."""
    head = ("", "films", *(name.replace("_", " ") for name in _STATES), "with a caution", "")
    for by in dict.fromkeys(row["by"] for row in report["thresholds"][0]["rows"]):
        rows = [
            (
                f"{row['class']}, {_NAMES[pair['name']]}"
                if by == ALL
                else f"{row['value']}, {row['class']}, {_NAMES[pair['name']]}",
                row["films"],
                *(_state(row, state) for state in _STATES),
                _cautions(row),
                _figures(row),
            )
            for group in zip(*(_of(pair["rows"], by) for pair in report["thresholds"]), strict=True)
            for pair, row in zip(report["thresholds"], group, strict=True)
        ]
        yield "" if by == ALL else f"<h3>By {by}</h3>"
        yield _table(head, rows)


def _state(row: Mapping[str, Any], state: str) -> str:
    share = row["of_all_films"][state]
    return f"{row[state]} ({share['low']:.0%} to {share['high']:.0%})"


def _cautions(row: Mapping[str, Any]) -> str:
    found = [f"{caution} {_state(row, caution)}" for caution in Caution if row[caution]]
    return ", ".join(found) or "0"


def _figures(row: Mapping[str, Any]) -> str:
    figure = f"{row['figure']} {_share(row['share'])}"
    if row["class"] == "normal":  # specificity says it
        return figure
    return f"{figure}, called fracture {_share(row['called_fracture'])}"


def _of(rows: Sequence[Mapping[str, Any]], by: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["by"] == by]


def _refusals(refused: Sequence[Mapping[str, Any]]) -> list[str]:
    if not refused:
        return []
    rows = [
        (row["reason"], row["normal"], row["fractured"], ADVICE[Reason(row["reason"])])
        for row in refused
    ]
    return ["<h3>Refused</h3>", _table(("reason", "normal", "fractured", "what to do"), rows)]


def _switches(accepted: Sequence[Mapping[str, Any]]) -> list[str]:
    if not accepted:
        return []
    rows = [(f"--accept {row['switch']}", row["normal"], row["fractured"]) for row in accepted]
    words = "These films would have been refused. Use the profile with the same switches."
    head = ("switch", "normal", "fractured")
    return ["<h3>Answered by a site switch</h3>", _table(head, rows), _paragraph(words)]


def _rules(rules: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]) -> str:
    head = ("rule", "threshold (p_fracture)", "on average", "at most", "fractures called fracture")
    rows = []
    for rule in rules:
        mark = " (chosen)" if rule["rule"] == chosen["rule"] else ""
        found = rule["fractured_called_fracture"]
        cells = (f"needs {rule['patients_needed']} patients", "", "")
        if rule["fracture_from"] is not None:
            cells = (
                f"{rule['fracture_from']:.4f}",
                f"{rule['expected']:.1%}",
                f"{rule['at_most']:.1%}",
            )
        rows.append((rule["rule"] + mark, *cells, _share(found) if found else "not known"))
    text = (
        "Shares are of further normal patients with a film called fracture (of films where "
        "patients are not given). The rule expected aims at the wanted share on average. The rule "
        "guaranteed keeps it with the stated confidence; it finds fewer fractures. "
        "Choose with the option --rule."
    )
    return _table(head, rows) + _paragraph(text)


def _next_steps(report: Mapping[str, Any], profile_name: str) -> list[str]:
    options = f"--mode {report['model']['mode']} --site-profile {profile_name}"
    keep = (
        "Keep these films. After an update of the model, run the same command on them again; a "
        "profile of another model is refused. Commission again when X-ray equipment, image "
        "processing or patients change."
    )
    return [
        _paragraph("Use the profile; the service takes the same options:"),
        f"<p><code>edge-classify films/ {_text(options)}</code></p>",
        _paragraph(keep),
    ]


def _films(films: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Return the films that a person should see: on the wrong side, and refused."""
    if films is None:
        return []
    rows = [
        (
            printable(film["path"]),
            film["class"],
            film["reason"] or film["state"].replace("_", " "),
            "-" if film["score"] is None else shown(film["score"]),
        )
        for film in films
        if film["state"] in ("refused", {"normal": "fracture"}.get(film["class"], "no_fracture"))
    ]
    text = "With the profile, the model disagrees with the reader on these films, or refused them."
    head = ("file", "class", "state or reason", "score")
    return ["<h2>Films to look at</h2>", _paragraph(text), _table(head, rows)]


def _share(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "-"
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f}; n {value['n']})"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows]
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>{f'<tr>{top}</tr>' if any(head) else ''}{body}</table>"


def _paragraph(words: str) -> str:
    return f"<p>{_text(words)}</p>"


def _text(value: object) -> str:
    return html.escape(str(value))
