"""Which options of edge-classify go together, and the words that they take."""

from typing import Final

import typer

from bonefx_edge.cli.command import was_given
from bonefx_edge.cli.exit_codes import ExitCode, fail

FILES_ONLY: Final = (
    *("paths", "heatmap", "jobs", "output_format", "as_json", "as_csv"),
    *("dicom_results", "dicom_object"),
)
"""Parameters of the command that do nothing with `--watch`."""
WATCH_ONLY: Final = (
    *("out", "journal", "once", "settle", "poll", "workers", "min_free", "health_port"),
    *("result_names", "results_group"),
    *("on_result", "webhook", "webhook_token_file", "webhook_secret_file", "webhook_ca_file"),
    *("message_names", "move_done", "move_refused", "duplicates"),
    *("pictures", "pictures_days", "pictures_mb"),
)
"""Parameters of the command that do nothing without `--watch`."""
FORMATS: Final = ("table", "json", "csv")
CHOICES: Final = {
    "output_format": FORMATS,
    "result_names": ("sha", "file"),
    "poll": ("auto", "always", "never"),
    "duplicates": ("skip", "reclassify", "known", "again"),  # the last two: until version 0.4
}
"""Words that an option takes."""
ALTERNATIVES: Final = (
    *(("output_format", "as_json", "as_csv"), ("mode", "views")),
    ("heatmap", "jobs"),  # heat maps are drawn in one process
)
"""Parameters of which at most one may be given."""
NEEDS: Final = {"dicom_object": "dicom_results"}
"""Parameters that do nothing without another."""


def check_options(context: typer.Context, *, watching: bool) -> None:
    """Leave if an option would do nothing, takes no such word, or contradicts another."""
    named = _named_options(context)
    if was_given(context, "config") and not watching:
        fail("--config: it names no folder; add watch to it, or --watch", code=ExitCode.USAGE)
    for name, shown in named:
        if watching and name in FILES_ONLY:
            instead = "give --pictures DIR" if name == "heatmap" else "leave it out"
            msg = f"{shown}: does nothing with --watch; {instead}"
            fail(msg, code=ExitCode.USAGE)
        if not watching and name in WATCH_ONLY:
            msg = f"{shown}: needs --watch; add --watch DIR, or leave {shown} out"
            fail(msg, code=ExitCode.USAGE)
        if context.params[name] not in CHOICES.get(name, (context.params[name],)):
            msg = f"{shown}: expected one of {', '.join(CHOICES[name])}"
            fail(f"{msg}, got {context.params[name]!r}", code=ExitCode.USAGE)
    _check_needs(context, named)
    for alternatives in ALTERNATIVES:
        chosen = [shown for name, shown in named if name in alternatives]
        if len(chosen) > 1:
            fail(f"{' and '.join(chosen)}: choose one", code=ExitCode.USAGE)


def _check_needs(context: typer.Context, named: list[tuple[str, str]]) -> None:
    options = {str(each.name): each.opts[0] for each in context.command.params}
    for name, shown in named:
        needed = NEEDS.get(name)
        if needed is not None and not was_given(context, needed):
            msg = f"{shown}: needs {options[needed]}; add it, or leave {shown} out"
            fail(msg, code=ExitCode.USAGE)


def _named_options(context: typer.Context) -> list[tuple[str, str]]:
    """Return what the command line gives: names of parameters, each with its option."""
    named = []
    for parameter in context.command.params:
        name = str(parameter.name)
        if was_given(context, name) and context.params[name] != ():
            named.append((name, "FILE|DIR" if name == "paths" else parameter.opts[0]))
    return named
