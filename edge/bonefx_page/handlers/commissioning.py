"""Start a commissioning, follow it, and take over its thresholds."""

import csv
import io
from http import HTTPStatus
from pathlib import Path
from typing import Final

from bonefx_edge.errors import UsageError
from starlette.responses import RedirectResponse, Response

from bonefx_page.guard import Asked
from bonefx_page.handlers.export import labeled
from bonefx_page.store.audit import Action
from bonefx_page.store.verdicts import Answer

VERDICTS: Final = "verdicts"
"""Source: the films of this site that readers called fracture or no fracture."""
RULES: Final = ("expected", "guaranteed")
_LABELS: Final = {Answer.FRACTURE: "fractured", Answer.NO_FRACTURE: "normal"}
_MAX_SOURCES: Final = 100
_LOWEST, _HIGHEST = 50.0, 99.0
"""Percent of specificity that can be asked for."""
_ADDRESS: Final = "/commissioning"


def show(asked: Asked) -> Response:
    """Show the form, the progress, or the result."""
    settings = asked.services.settings
    progress = asked.services.commissioning.progress()
    return asked.page(
        "commissioning.html",
        {
            "progress": progress,
            "sources": _sources(settings.commission_from),
            "base": settings.commission_from,
            "rules": RULES,
            "target": settings.site_profile,
            "other_model": bool(progress.report) and not _is_of_service(asked, progress.report),
            "used": "used" in asked.request.query_params,
        },
    )


def start(asked: Asked) -> Response:
    """Start one with films of a folder, or with the films that have a verdict."""
    form, chosen = asked.form, asked.form.get("source", "")
    base = asked.services.settings.commission_from
    try:
        specificity = float(form.get("specificity", "").replace(",", "."))
    except ValueError:
        specificity = 0.0
    known = chosen == VERDICTS or (base is not None and chosen in _sources(base))
    is_sound = form.get("rule") in RULES and _LOWEST <= specificity <= _HIGHEST
    if not (known and is_sound):
        msg = "choose films, a rule, and a specificity from 50 to 99 percent, then start again"
        raise UsageError(msg)
    source = base / chosen if base and chosen != VERDICTS else _films_with_verdict(asked)
    asked.services.commissioning.start(
        source,
        by=asked.signed_in.user.name,
        specificity=specificity / 100,
        rule=form["rule"],
    )
    asked.note(Action.STARTED_COMMISSIONING)
    return RedirectResponse(_ADDRESS, HTTPStatus.SEE_OTHER)


def cancel(asked: Asked) -> Response:
    """End the one that runs, and remove its files."""
    asked.services.commissioning.cancel()
    asked.note(Action.CANCELED_COMMISSIONING)
    return RedirectResponse(_ADDRESS, HTTPStatus.SEE_OTHER)


def use(asked: Asked) -> Response:
    """Write the profile to where the service reads it."""
    target, report = (
        asked.services.settings.site_profile,
        asked.services.commissioning.progress().report,
    )
    if target is None or asked.form.get("confirmed") != "yes":
        msg = "confirm that you have read the report, then save again"
        raise UsageError(msg)
    if report is None or not _is_of_service(asked, report):
        msg = "this report is not of the model of the service; commission with that model"
        raise UsageError(msg)
    asked.services.commissioning.use(target, asked.form.get("profile", ""))
    asked.note(Action.USED_SITE_PROFILE)
    return RedirectResponse(f"{_ADDRESS}?used=1", HTTPStatus.SEE_OTHER)


def report(asked: Asked) -> Response:
    """Send the report as a file: it has styles of its own, which the page does not allow."""
    page = asked.services.commissioning.page()
    if page is None:
        return show(asked)
    return Response(
        page,
        media_type="text/html; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="commissioning.html"'},
    )


def _sources(base: Path | None) -> list[str]:
    """Return the folders and CSV files in the base folder that a page can show.

    No links, which could lead anywhere.
    """
    if base is None:
        return []
    names = [
        path.name
        for path in base.iterdir()
        if not path.is_symlink()
        and not path.name.startswith((".", "-"))
        and path.name.isprintable()
        and (path.is_dir() or path.suffix.lower() == ".csv")
    ]
    return sorted(names)[:_MAX_SOURCES]


def _films_with_verdict(asked: Asked) -> str:
    """Return a CSV as `edge-admin commission` takes it, with the films that are still there."""
    with asked.services.journal() as journal:
        folder = journal.folder
    if folder is None:
        msg = "the journal does not say which folder is watched; start the service once"
        raise UsageError(msg)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("path", "label", "body_part"))
    for path, verdict in labeled(asked):
        writer.writerow((Path(folder) / path, _LABELS[verdict.answer], verdict.body_part or ""))
    return text.getvalue()


def _is_of_service(asked: Asked, report: dict[str, object] | None) -> bool:
    """Return whether a report is of the model and mode that made the newest result."""
    newest, made = asked.services.predictor(), (report or {}).get("model")
    if newest is None or not isinstance(made, dict):
        return newest is None
    return bool(made["sha256"] == newest["model"]["sha256"] and made["mode"] == newest["mode"])
