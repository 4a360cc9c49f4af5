"""The command `edge-admin commission`: films of the site to a report and a site profile."""

import json
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bonefx_edge import NOTICE
from bonefx_edge.cli.exit_codes import fail_with
from bonefx_edge.cli.files import list_files
from bonefx_edge.decode.options import SiteSwitch
from bonefx_edge.errors import BonefxError, OutputError, UsageError
from bonefx_edge.model.bundled import DEFAULT_MODEL
from bonefx_edge.text import printable
from bonefx_edge.watch.files import write_file

if TYPE_CHECKING:
    from bonefx_edge.classifier import Classifier
    from bonefx_edge.diagnostics.commissioning.films import SiteFilm
    from bonefx_edge.diagnostics.commissioning.measure import Measured
    from bonefx_edge.diagnostics.commissioning.thresholds import Wish

PROFILE_NAME: Final = "site-profile.json"
PAGE_NAME: Final = "report.html"
REPORT_NAME: Final = "report.json"
WIDTH: Final = 80
"""Columns of a terminal."""
LOWEST, HIGHEST = 0.5, 0.99
"""Of specificity, sensitivity and confidence that can be asked for."""
RULES: Final = ("expected", "guaranteed")


def commission(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|CSV",
            help="Folder with the folders normal and, if there are any, fractured; or a CSV with "
            "the columns path, label and optionally group (patient), body_part, age.",
        ),
    ],
    *,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who commissions; for the record.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the report and the site profile.")
    ] = Path("commissioning"),
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A bundled model, or a model file.")
    ] = DEFAULT_MODEL,
    mode: Annotated[
        str | None, typer.Option(metavar="whole|tiled", help="Default: the model's first.")
    ] = None,
    accept: Annotated[
        list[SiteSwitch] | None,
        typer.Option(metavar="FAULT", help="As edge-classify --accept; repeatable."),
    ] = None,
    specificity: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Wanted share of normal films that are not called fracture.",
        ),
    ] = 0.90,
    sensitivity: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Wanted share of fractured films that are not called no fracture; used with 60 or "
            "more fractured films.",
        ),
    ] = 0.95,
    rule: Annotated[
        str,
        typer.Option(
            metavar="|".join(RULES),
            help="expected: the wanted share on average; guaranteed: at least the wanted share, "
            "with --confidence. Finds fewer fractures.",
        ),
    ] = RULES[0],
    confidence: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Of what the report guarantees."),
    ] = 0.90,
    names: Annotated[
        bool,
        typer.Option("--names", help="List file names in the report. They can identify patients."),
    ] = False,
    progress: Annotated[
        bool,
        typer.Option("--progress", help="Print a line such as 12/140 for each film, for programs."),
    ] = False,
) -> None:
    """Measure the model on films of this site; set thresholds."""
    try:
        _check_wish(specificity, sensitivity, confidence, rule=rule)
        # Here, not above: edge-admin must start where OpenCV or the interpreter are broken.
        from bonefx_edge.diagnostics.child import try_interpreter

        try_interpreter(None)
        from bonefx_edge.diagnostics.commissioning.guarantee import Rule
        from bonefx_edge.diagnostics.commissioning.thresholds import Wish

        wish = Wish(specificity, sensitivity, confidence, Rule(rule))
        films = _read(source, wish)
        from bonefx_edge.classifier import Classifier

        classifier = Classifier.load(model, mode=mode, accept=accept or ())
        measured = _measure(films, classifier, in_lines=progress)
        _commission(measured, classifier, wish, by=printable(by), out=out, names=names)
    except BonefxError as err:
        fail_with(err)


def _check_wish(*shares: float, rule: str) -> None:
    if rule not in RULES:
        msg = f"--rule: expected one of {', '.join(RULES)}, got {rule!r}"
        raise UsageError(msg)
    for share in shares:
        if not LOWEST <= share <= HIGHEST:
            msg = (
                "--specificity, --sensitivity and --confidence: expected shares from "
                f"{LOWEST} to {HIGHEST}, got {share}"
            )
            raise UsageError(msg)


def _read(source: Path, wish: "Wish") -> "list[SiteFilm]":
    """Return the films, if enough of them are normal."""
    from bonefx_edge.diagnostics.commissioning.films import read_films
    from bonefx_edge.diagnostics.commissioning.thresholds import check_enough

    films = read_films(source, list_folder=lambda folder: list_files([folder]).files)
    patients = {film.group or film.path for film in films if not film.is_fractured}
    check_enough(len(patients), wish, what=f"{source}: films or patients")
    return films


def _commission(
    measured: "list[Measured]",
    classifier: "Classifier",
    wish: "Wish",
    *,
    by: str,
    out: Path,
    names: bool,
) -> None:
    from bonefx_edge.diagnostics.commissioning.page import make_page
    from bonefx_edge.diagnostics.commissioning.report import make_report
    from bonefx_edge.diagnostics.commissioning.thresholds import make_profile

    created = datetime.now(UTC).isoformat(timespec="seconds")
    profile = make_profile(measured, classifier, wish, created=created, by=by)
    report = make_report(measured, classifier, wish, profile, names=names)
    path = out / PROFILE_NAME
    _write(out / REPORT_NAME, json.dumps(report, indent=1, allow_nan=False) + "\n")
    _write(out / PAGE_NAME, make_page(report, profile_name=str(path)))
    _write(path, profile.to_json())
    sys.stdout.write(
        "\n".join(
            [*_summary(report), "", *_written(out, report), "", *textwrap.wrap(NOTICE, WIDTH), ""]
        )
    )


def _measure(
    films: "list[SiteFilm]", classifier: "Classifier", *, in_lines: bool
) -> "list[Measured]":
    from bonefx_edge.diagnostics.commissioning.measure import measure

    if in_lines:
        measured = []
        for number, film in enumerate(films, 1):
            measured.append(measure(classifier, film))
            sys.stderr.write(f"{number}/{len(films)}\n")
        return measured
    if not sys.stderr.isatty():
        return [measure(classifier, film) for film in films]
    with typer.progressbar(films, label="classifying", file=sys.stderr) as progressing:
        return [measure(classifier, film) for film in progressing]


def _summary(report: dict[str, Any]) -> list[str]:
    """Return what a person reads first."""
    from bonefx_edge.diagnostics.commissioning.page import count_films, promise

    lines = [f"{name:<10} {count_films(report[name])}" for name in ("normal", "fractured")]
    lines.append("")
    for pair in report["thresholds"]:
        for row in (row for row in pair["rows"] if row["by"] == "all" and row["share"]):
            found = row["share"]
            start = f"thresholds of the {pair['name'] + ',':<6} "
            lines.append(f"{start}{row['figure']} {_share(found)}")
            if row["class"] == "fractured":
                lines.append(f"{'':{len(start)}}called fracture {_share(row['called_fracture'])}")
    return [*lines, "", *textwrap.wrap(promise(report, "normal"), WIDTH)]


def _share(found: dict[str, Any]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f}; n {found['n']})"


def _written(out: Path, report: dict[str, Any]) -> list[str]:
    accept = "".join(f" --accept {row['switch']}" for row in report["accepted"])
    profile = printable(str(out / PROFILE_NAME))
    return [
        f"report       {printable(str(out / PAGE_NAME))}, {REPORT_NAME}",
        f"site profile {profile}",
        f"use it       edge-classify films/ --site-profile {profile}{accept}",
    ]


def _write(path: Path, text: str) -> None:
    """Write a file, all or nothing; what was there is replaced. Its folder is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(path, text.encode())
    except OSError as err:
        msg = f"{path}: cannot write ({err.strerror}); free the disk, or give another --out"
        raise OutputError(msg) from err
