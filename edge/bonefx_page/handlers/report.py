"""How well the results fit what readers see."""

from starlette.responses import Response

from bonefx_page.figures import report_of
from bonefx_page.guard import Asked
from bonefx_page.store.audit import Action
from bonefx_page.store.verdicts import Answer, Verdicts


def show(asked: Asked) -> Response:
    """Show the report."""
    verdicts = Verdicts(asked.database, asked.services.settings.data)
    asked.note(Action.SAW_REPORT)
    report = report_of(verdicts.groups())
    states = ("fracture", "uncertain", "no_fracture", "refused")
    return asked.page("report.html", {"report": report, "states": states, "answers": list(Answer)})
