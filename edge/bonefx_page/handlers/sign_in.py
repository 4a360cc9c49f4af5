"""Sign in and out."""

import hmac
import math
import secrets
from http import HTTPStatus
from typing import Final

from starlette.responses import RedirectResponse, Response

from bonefx_page.guard import Asked
from bonefx_page.store.audit import Action
from bonefx_page.store.sessions import Sessions
from bonefx_page.store.users import MAX_NAME, Users

_TOKEN_BYTES: Final = 16


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
    throttle = asked.services.throttle
    wait_s = throttle.wait_s(name)
    if wait_s > 0:
        response = _form(asked, problem="wait", status=HTTPStatus.TOO_MANY_REQUESTS)
        response.headers["Retry-After"] = str(math.ceil(wait_s))
        return response
    user = Users(asked.database).check(name, asked.form.get("password", ""))
    audit = asked.audit
    if user is None:
        throttle.wrong(name)
        audit.note("", Action.WRONG_PASSWORD, now=asked.now)  # the name may be a mistyped password
        return _form(asked, problem="wrong", status=HTTPStatus.UNAUTHORIZED)
    throttle.right(name)
    audit.note(user.name, Action.SIGNED_IN, now=asked.now)
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    _set_cookie(
        response,
        asked,
        asked.services.cookie_name,
        Sessions(asked.database).begin(user, now=asked.now),
    )
    return response


def sign_out(asked: Asked) -> Response:
    """End the session."""
    asked.note(Action.SIGNED_OUT)
    name = asked.services.cookie_name
    Sessions(asked.database).end(asked.request.cookies[name])
    response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    response.delete_cookie(name, secure=asked.services.settings.is_encrypted, httponly=True)
    return response


def _form(asked: Asked, problem: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    values = {"problem": problem, "form_token": token, "predictor": None}
    response = asked.page("sign_in.html", values, status)
    _set_cookie(response, asked, asked.services.form_cookie_name, token)
    return response


def _set_cookie(response: Response, asked: Asked, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        httponly=True,
        samesite="strict",
        secure=asked.services.settings.is_encrypted,
    )
