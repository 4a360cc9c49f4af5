"""The page as an ASGI application."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from time import time
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bonefx_page.guard import HEADERS, guarded
from bonefx_page.routes import ROUTES
from bonefx_page.services import Services
from bonefx_page.settings import Settings
from bonefx_page.store.audit import Audit
from bonefx_page.store.database import connect, create
from bonefx_page.store.verdicts import Verdicts

STATIC: Final = Path(__file__).with_name("static")


def build(settings: Settings) -> ASGIApp:
    """Return the application; the database of the page is created if there is none.

    Raises
    ------
    JournalError
        The database cannot be opened; OSError if its folder cannot be written.
    """
    database = create(settings.data)
    services = Services(settings, database)
    with closing(connect(database)) as connection:
        Audit(connection, services.audit_memory).remove_old(now=time())
        Verdicts(connection, settings.data).finish()
    routes = [
        Route(each.path, guarded(each.handler, services, role=each.role), methods=[each.method])
        for each in ROUTES
    ]
    application = Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=STATIC))],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=settings.hosts, www_redirect=False)
        ],
        lifespan=_lifespan(services),
    )
    return _Headers(application)  # outside: Starlette answers unforeseen errors before middleware


def _lifespan(services: Services) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Return what keeps the database open while the page runs, and ends a commissioning with it.

    SQLite removes its log with the last connection and makes it again with the next one. On a full
    disk that fails, and nothing could be read.
    """

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        with closing(connect(services.database)) as connection, closing(services.commissioning):
            connection.execute("SELECT 1 FROM user").fetchall()
            yield

    return lifespan


class _Headers:
    """Adds the headers of `guard.HEADERS` to every response, also to errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if pair[0].lower() not in dict(added)]
            message["headers"] = [*kept, *added]
        await send(message)

    return add
