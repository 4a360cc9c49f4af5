"""What every request passes before its handler: session, role, form token; headers on the way out.

The Host header is checked before, by Starlette's TrustedHostMiddleware.
"""

import hmac
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from bonefx_edge.errors import BonefxError, JournalError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bonefx_page.rendering import language_of
from bonefx_page.services import Services
from bonefx_page.store.audit import Action, Audit
from bonefx_page.store.database import NotSavedError, connect
from bonefx_page.store.sessions import Session, Sessions
from bonefx_page.store.users import Role

logger = logging.getLogger(__name__)

MAX_FORM_BYTES: Final = 16_384
MAX_FIELDS: Final = 32
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""Of every response. Films and names stay in no cache."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be answered."""

    request: Request
    services: Services
    database: sqlite3.Connection
    session: Session | None
    """None on the page to sign in only."""
    form: Mapping[str, str]
    """Fields of a POST."""
    now: float
    """Seconds since 1970."""

    @property
    def signed_in(self) -> Session:
        """The session, on a route that needs one."""
        if self.session is None:
            msg = "expected a route with a role"
            raise RuntimeError(msg)
        return self.session

    @property
    def sessions(self) -> Sessions:
        """The sessions of all."""
        return Sessions(self.database, self.services.unwritten_sessions)

    @property
    def audit(self) -> Audit:
        """The audit log."""
        return Audit(self.database, self.services.audit_memory)

    def note(self, action: Action, sha256: str | None = None) -> None:
        """Add an entry to the audit log."""
        self.audit.note(self.signed_in.user.name, action, sha256, now=self.now)

    def page(
        self, template: str, values: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        """Return a page; the frame gets who is signed in, the form token and the predictor.

        The predictor is read from the journal, unless `values` has one.
        """
        if "predictor" not in values:
            values = dict(values) | {"predictor": self.services.predictor()}
        return _page(self.request, self.services, self.session, template, values, status)


Handler = Callable[[Asked], Response]


def guarded(
    handler: Handler, services: Services, *, role: Role | None
) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that calls `handler` for whoever has the role; None: for everybody."""

    async def endpoint(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_FORM_BYTES:
                return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return await run_in_threadpool(_answer, handler, request, body, services, role)

    return endpoint


def _answer(
    handler: Handler, request: Request, body: bytes, services: Services, role: Role | None
) -> Response:
    session = None
    try:
        with closing(connect(services.database)) as database:
            now = time.time()
            cookie = request.cookies.get(services.cookie_name, "")
            sessions = Sessions(database, services.unwritten_sessions)
            session = sessions.find(cookie, now=now) if cookie and role else None
            form = _fields(body) if request.method == "POST" else {}
            refused = _refusal(request, session, form, role)
            if refused or form is None:
                return refused or _plain(HTTPStatus.FORBIDDEN)
            return handler(Asked(request, services, database, session, form, now))
    except (NotSavedError, JournalError, OSError, sqlite3.Error) as err:
        # No traceback: it may contain names of files.
        cause = str(err) if isinstance(err, NotSavedError) else type(err).__name__
        logger.error("journal or disk cannot be used: %s", cause)  # noqa: TRY400
        values = {
            "predictor": None,
            "is_lost": request.method == "POST",
            "is_verdict": isinstance(err, NotSavedError),
        }
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return _page(request, services, session, "unavailable.html", values, status)
    except BonefxError as err:
        wrong = {"message": str(err), "predictor": None}
        return _page(request, services, session, "wrong.html", wrong, HTTPStatus.BAD_REQUEST)


def _refusal(
    request: Request,
    session: Session | None,
    form: Mapping[str, str] | None,
    role: Role | None,
) -> Response | None:
    """Return the answer to whoever may not ask this; None for all others."""
    if role is None:
        return None
    if session is None:
        return RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    if not session.user.role.may(role):
        return _plain(HTTPStatus.FORBIDDEN)
    if request.method == "POST" and not (form and _has_token(form, session)):
        return _plain(HTTPStatus.FORBIDDEN)
    return None


def _page(
    request: Request,
    services: Services,
    session: Session | None,
    template: str,
    values: Mapping[str, Any],
    status: HTTPStatus,
) -> Response:
    language = language_of(request.headers.get("accept-language", ""))
    frame: dict[str, Any] = {
        "user": session.user if session else None,
        "form_token": session.form_token if session else "",
        "path": request.url.path,
    }
    html = services.renderer.html(template, language=language, values=frame | dict(values))
    return HTMLResponse(html, status)


def _fields(body: bytes) -> dict[str, str] | None:
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_FIELDS
        )
    except ValueError:
        return None
    return {name: values[-1] for name, values in fields.items()}  # the button, after the radios


def _has_token(form: Mapping[str, str], session: Session) -> bool:
    given = form.get("form_token", "")
    return hmac.compare_digest(given.encode(), session.form_token.encode())


def _plain(status: HTTPStatus) -> Response:
    return Response(f"{status.value} {status.phrase}\n", status, media_type="text/plain")
