"""The commands of edge-admin that show results; they read the journal beside the service."""

import dataclasses
import io
import json
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from bonefx_edge import NOTICE
from bonefx_edge.cli.exit_codes import ExitCode, fail
from bonefx_edge.cli.journal_access import JournalOption, OutArgument, open_journal
from bonefx_edge.inference.decision import State
from bonefx_edge.watch.journal.states import ABSENT, PICTURES, ListedState

NAMED: Final = 5
"""Names that `status` shows of each thing that needs a person."""
MATCHES: Final = 20
"""Images that `show` lists where a name stands for several."""


def status(
    out: OutArgument,
    *,
    journal: JournalOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, without file names.")
    ] = False,
) -> None:
    """Show counts of today, what waits, what needs a person."""
    from bonefx_dicom.sender.progress import count_not_sent

    from bonefx_edge.cli.formats import WIDTH
    from bonefx_edge.cli.status_text import Attention, attention_lines, status_lines

    now = time.time()
    with open_journal(out, journal) as admin:
        found = dataclasses.replace(admin.status(now=now), folders=admin.folders())
        counts = admin.images.count_received(*_bounds(None, now=now))
        attention = Attention(
            admin.images.unreadable(NAMED),
            admin.images.with_status(ListedState.FAILED, NAMED),
            admin.images.with_status(ABSENT, NAMED),
            count_not_sent(out),
        )
    today = {state.value: counts.get(state, 0) for state in State}
    if as_json:
        drift = {"films": found.drift.films, "departed": found.drift.alarms}
        record = dataclasses.asdict(found) | {"today": today, "drift": drift}
        record |= {"dicom_not_sent": attention.n_not_sent}
        sys.stdout.write(json.dumps(record) + "\n")
        return
    _keep_any_name()
    needed = attention_lines(found, attention, today[State.REFUSED])
    lines = [*status_lines(found, today), "", *needed, ""]
    lines += textwrap.wrap(NOTICE, WIDTH)
    sys.stdout.write("\n".join(lines) + "\n")


def list_images(
    out: OutArgument,
    *,
    journal: JournalOption = None,
    day: Annotated[
        datetime | None,
        typer.Option(metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="Default: today."),
    ] = None,
    state: Annotated[
        ListedState | None,
        typer.Option(metavar="STATE", help=f"Only these: {', '.join(ListedState)}."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per image.")] = False,
) -> None:
    """List the images received on a day, newest last."""
    from bonefx_edge.cli.results_text import DayTable, image_json

    since, until = _bounds(day, now=time.time())
    _keep_any_name()
    with open_journal(out, journal) as admin:
        table = DayTable(since)
        if not as_json:
            sys.stdout.write(table.header())
        for image in admin.images.received(since, until):
            if state in (None, image.state):
                sys.stdout.write(image_json(image) if as_json else table.row(image))
        if not as_json:
            unreadable = sum(admin.status(now=until).unreadable.values())
            sys.stdout.write(table.footer(unreadable))


def show(
    out: OutArgument,
    image: Annotated[
        str,
        typer.Argument(
            metavar="NAME|SHA", help="Name of a file, part of it, or 4 digits of the sha256."
        ),
    ],
    *,
    journal: JournalOption = None,
) -> None:
    """Show all that is known of one image."""
    from bonefx_edge.cli.results_text import History, image_lines, match_line, unreadable_line
    from bonefx_edge.watch.pictures.folder import find_pictures

    _keep_any_name()
    with open_journal(out, journal) as admin:
        images = admin.images
        found = images.find(image)
        for name, error in found.unreadable:
            sys.stdout.write(unreadable_line(name, error))
        if len(found.contents) == 1:
            sha256 = found.contents[0]
            history = History(
                images.replaced_by(sha256),
                images.undelivered(sha256),
                find_pictures(admin.meta(PICTURES), sha256),
            )
            lines = image_lines(images.image(sha256), history)
            sys.stdout.write("\n".join(lines) + "\n")
            return
        for sha256 in found.contents[:MATCHES]:
            sys.stdout.write(match_line(images.image(sha256)))
    n = len(found.contents)
    if n:
        shown = "" if n <= MATCHES else f" ({MATCHES} are shown)"
        fail(f"{n} images match{shown}; give the whole path or the sha256", code=ExitCode.USAGE)
    if not found.unreadable:
        msg = f"{image}: no image has this name or sha256; edge-admin list shows those of today"
        fail(msg, code=ExitCode.USAGE)


def export(
    out: OutArgument,
    *,
    journal: JournalOption = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV for a spreadsheet instead of JSON lines.")
    ] = False,
) -> None:
    """Write all current results with their file names."""
    from bonefx_edge.cli.formats import Csv, record_csv, record_csv_header

    with open_journal(out, journal) as admin:
        if as_csv:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(encoding=Csv.encoding)
            sys.stdout.write(record_csv_header(("files",)))
        for record, names in admin.export():
            if as_csv:
                sys.stdout.write(record_csv(record["finding"] | {"files": names}, ("files",)))
            else:
                sys.stdout.write(json.dumps(record | {"files": names}) + "\n")


def _bounds(day: datetime | None, *, now: float) -> tuple[float, float]:
    """Return beginning and end of a day in local time, seconds since 1970; None: that of `now`."""
    start = day or datetime.fromtimestamp(now, UTC).astimezone().replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None
    )
    try:  # a time without zone is local time; a day may have 23 or 25 hours
        return start.timestamp(), (start + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        msg = f"--day: expected a day between the years 2 and 9998, got {start:%Y-%m-%d}"
        fail(msg, code=ExitCode.USAGE)


def _keep_any_name() -> None:
    """Let a name that the terminal's encoding lacks be written with escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
