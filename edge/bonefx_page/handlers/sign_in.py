"""Sign in and out."""

import hmac
import math
import secrets
from http import HTTPStatus
from typing import Final

from starlette.responses import RedirectResponse, Response

from bonefx_page.guard import Asked
from bonefx_page.store.audit import Action
from bonefx_page.store.users import MAX_NAME, Users

_TOKEN_BYTES: Final = 16
_MAX_KNOWN: Final = 8
"""People whose sign-in a browser remembers: a computer in a reading room has several."""
_KNOWN_S: Final = 365 * 86_400


def show(asked: Asked) -> Response:
    """Show the form."""
    return _form(asked)


def submit(asked: Asked) -> Response:
    """Begin a session, or say that name or password is wrong."""
    # Before there is a session, the token of the form must be that of a cookie.
    cookie = asked.request.cookies.get(asked.services.form_cookie_name, "")
    given = asked.form.get("form_token", "")
    if not cookie or not hmac.compare_digest(cookie.encode(), given.encode()):
        return _form(asked, problem="again", status=HTTPStatus.FORBIDDEN)
    name = asked.form.get("name", "")[:MAX_NAME]
    throttle, users = asked.services.throttle, Users(asked.database)
    marks = _marks(asked)
    is_known = users.mark(name) in marks
    wait_s = throttle.wait_s(name, is_known=is_known)
    if wait_s > 0:
        response = _form(asked, problem="wait", status=HTTPStatus.TOO_MANY_REQUESTS)
        response.headers["Retry-After"] = str(math.ceil(wait_s))
        return response
    user = users.check(name, asked.form.get("password", ""))
    audit = asked.audit
    if user is None:
        throttle.wrong(name, is_known=is_known)
        audit.note("", Action.WRONG_PASSWORD, now=asked.now)  # the name may be a mistyped password
        return _form(asked, problem="wrong", status=HTTPStatus.UNAUTHORIZED)
    throttle.right(name, is_known=is_known)
    audit.note(user.name, Action.SIGNED_IN, now=asked.now)
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    _set_cookie(
        response,
        asked,
        asked.services.cookie_name,
        asked.sessions.begin(user, now=asked.now),
    )
    kept = list(dict.fromkeys([users.mark(name), *marks]))[:_MAX_KNOWN]
    _set_cookie(response, asked, asked.services.known_cookie_name, "-".join(kept), _KNOWN_S)
    return response


def sign_out(asked: Asked) -> Response:
    """End the session."""
    asked.note(Action.SIGNED_OUT)
    name = asked.services.cookie_name
    asked.sessions.end(asked.request.cookies[name])
    response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    response.delete_cookie(name, secure=asked.services.settings.is_encrypted, httponly=True)
    return response


def _marks(asked: Asked) -> list[str]:
    """Return the marks of `Users.mark` that the browser keeps."""
    kept = asked.request.cookies.get(asked.services.known_cookie_name, "")
    return [mark for mark in kept.split("-") if mark]


def _form(asked: Asked, problem: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    values = {"problem": problem, "form_token": token, "predictor": None}
    response = asked.page("sign_in.html", values, status)
    _set_cookie(response, asked, asked.services.form_cookie_name, token)
    return response


def _set_cookie(
    response: Response, asked: Asked, name: str, value: str, max_age: int | None = None
) -> None:
    response.set_cookie(
        name,
        value,
        max_age,
        httponly=True,
        samesite="strict",
        secure=asked.services.settings.is_encrypted,
    )
