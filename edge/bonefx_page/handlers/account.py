"""A new password, and the audit log."""

from http import HTTPStatus
from typing import Final

from bonefx_edge.errors import UsageError
from starlette.responses import RedirectResponse, Response

from bonefx_page.guard import Asked
from bonefx_page.handlers.queries import number
from bonefx_page.store.audit import Action
from bonefx_page.store.passwords import MIN_LENGTH
from bonefx_page.store.users import Users

ENTRIES: Final = 100
"""On one page."""
_NEWEST: Final = 2**62


def show(asked: Asked) -> Response:
    """Show the form for a new password."""
    return _form(asked)


def new_password(asked: Asked) -> Response:
    """Change the password; all sessions of the user end."""
    user, form, throttle = asked.signed_in.user, asked.form, asked.services.throttle
    if throttle.wait_s(user.name, is_known=True) > 0:
        return _form(asked, "wait", HTTPStatus.TOO_MANY_REQUESTS)
    users = Users(asked.database)
    if users.check(user.name, form.get("password", "")) is None:
        throttle.wrong(user.name, is_known=True)
        return _form(asked, "wrong", HTTPStatus.FORBIDDEN)
    throttle.right(user.name, is_known=True)
    if form.get("new") != form.get("again"):
        return _form(asked, "differ", HTTPStatus.BAD_REQUEST)
    try:
        users.set_password(user.name, form.get("new", ""))
    except UsageError:
        return _form(asked, "short", HTTPStatus.BAD_REQUEST)
    asked.note(Action.NEW_PASSWORD)
    return RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)


def audit(asked: Asked) -> Response:
    """Show who did what."""
    asked.note(Action.SAW_AUDIT)
    before = number(asked, "before") or _NEWEST
    entries = asked.audit.entries(before=before, limit=ENTRIES)
    return asked.page("audit.html", {"entries": entries, "full": len(entries) == ENTRIES})


def _form(asked: Asked, problem: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    return asked.page("account.html", {"problem": problem, "min_length": MIN_LENGTH}, status)
