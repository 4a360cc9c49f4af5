"""The list of films."""

from datetime import date, timedelta
from typing import Final

from bonefx_edge.errors import Reason
from bonefx_edge.inference.decision import Caution
from bonefx_edge.watch.journal.worklist import ORDER
from starlette.responses import Response

from bonefx_page.films.pictures import Kind
from bonefx_page.guard import Asked
from bonefx_page.handlers.queries import (
    ALL_DAYS,
    SUSPICIOUS,
    bounds,
    key_of,
    key_text,
    query_of,
    today,
)
from bonefx_page.store.audit import Action
from bonefx_page.store.verdicts import Verdicts

ROWS: Final = 50
"""Films on one page."""


def show(asked: Asked) -> Response:
    """Show a page of the list, the counts of today and what waits."""
    query, services = query_of(asked), asked.services
    now_day = today(asked.now)
    with services.journal() as journal:
        rows = journal.worklist.after(query.filter, key_of(asked), limit=ROWS + 1)
        images = [journal.images.image(row.sha256) for row in rows[:ROWS]]
        counts = journal.worklist.counts(*bounds(now_day))
        cautious = journal.worklist.n_with_caution(*bounds(now_day))
        parts = journal.worklist.body_parts()
        waiting, is_running = journal.worklist.n_waiting(), journal.is_running
    contents = [image.sha256 for image in images]
    verdicts = Verdicts(asked.database, services.settings.data)
    asked.note(Action.SAW_LIST)
    more = key_text(rows[ROWS - 1].key) if len(rows) > ROWS else ""
    day = None if query.day == ALL_DAYS else date.fromisoformat(query.day)
    return asked.page(
        "worklist.html",
        {
            "images": images,
            "answers": verdicts.answers(contents),
            "with_picture": {sha for sha in contents if services.pictures.has(sha, Kind.THUMB)},
            "query": query,
            "more": more,
            "continued": "after" in asked.request.query_params,
            "counts": counts,
            "cautious": cautious,
            "parts": parts,
            "cautions": list(Caution),
            "waiting": waiting,
            "is_running": is_running,
            "health": services.health.read(),
            "today": now_day.isoformat(),
            "day_before": (day - timedelta(days=1)).isoformat() if day else "",
            "day_after": (day + timedelta(days=1)).isoformat() if day and day < now_day else "",
            "states": [SUSPICIOUS, *ORDER],
            "reasons": list(Reason),
        },
    )
