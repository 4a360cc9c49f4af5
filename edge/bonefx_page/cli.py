"""The command edge-page: serve the page, look after its users."""

import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from bonefx_edge.cli.command import Command, make_app
from bonefx_edge.cli.exit_codes import ExitCode, fail, fail_with
from bonefx_edge.decode.options import SiteSwitch
from bonefx_edge.errors import JournalError, UsageError
from bonefx_edge.watch.journal.connection import JOURNAL_NAME

from bonefx_page.films.site_figures import read_figures
from bonefx_page.settings import DATA_FOLDER, Settings, check, default_folders
from bonefx_page.store.database import connect, create
from bonefx_page.store.passwords import make_password
from bonefx_page.store.users import Role, Users

NICENESS: Final = 10
"""The service comes first on a device with few cores."""
MAX_CONNECTIONS: Final = 128
"""More are answered with 503."""

app = make_app("Results of the watching service in a browser, and verdicts of readers.")
OutArgument = Annotated[
    Path, typer.Argument(metavar="OUT", help="Folder of the results (--out of the service).")
]
DataOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of users and verdicts. Default: OUT/page."),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name to sign in with.")]


@app.command(cls=Command)
def serve(
    out: OutArgument,
    *,
    data: DataOption = None,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the journal, if the service has --journal."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of --pictures. Default: OUT/pictures."),
    ] = None,
    health_port: Annotated[
        int | None, typer.Option(metavar="PORT", help="--health-port of the service.")
    ] = None,
    site_profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="--site-profile of the service: its figures are shown."),
    ] = None,
    commission_from: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with films for commissioning from the page."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="--model of the service.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(metavar="whole|tiled", help="--mode of the service.")
    ] = None,
    accept: Annotated[
        list[SiteSwitch] | None,
        typer.Option(metavar="FAULT", help="--accept of the service; repeatable."),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535)] = 8080,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Host name that browsers use; may be repeated."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain, PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy on this computer adds TLS.")
    ] = False,
) -> None:
    """Serve the page until SIGTERM or Ctrl-C."""
    folders = default_folders(out)
    settings = Settings(
        out=out,
        journal=journal or folders["journal"],
        data=data or folders["data"],
        pictures=pictures or folders["pictures"],
        host=host,
        port=port,
        names=tuple(name or ()),
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy,
        health_port=health_port,
        site_profile=site_profile and site_profile.absolute(),
        commission_from=commission_from and commission_from.absolute(),
        commission_options=_commission_options(model, mode, accept or ()),
    )
    with _reported_errors():
        check(settings)
        if site_profile and site_profile.exists():  # commissioning from the page writes it
            read_figures(site_profile)
        if not (settings.journal / JOURNAL_NAME).is_file():
            msg = f"{settings.journal}: there is no journal of a watched folder; start the service"
            raise UsageError(msg)
        with _users(settings.data) as users:
            if not users.all():
                msg = f"nobody may sign in yet; run: edge-page add-user {out} NAME --role admin"
                raise UsageError(msg)
        _run(settings)


def _commission_options(
    model: str | None, mode: str | None, accept: Sequence[SiteSwitch]
) -> tuple[str, ...]:
    words = [word for fault in accept for word in ("--accept", fault.value)]
    words += ["--model", model] if model else []
    return (*words, *(["--mode", mode] if mode else []))


def _run(settings: Settings) -> None:
    try:  # a wheel cannot tie a command to an extra
        import uvicorn

        from bonefx_page.application import build
    except ModuleNotFoundError as err:
        msg = f"the page needs {err.name}; run: pip install 'bonefx[page]'"
        raise UsageError(msg) from err
    application = build(settings)
    os.nice(NICENESS)
    scheme = "https" if settings.tls_cert else "http"
    sys.stderr.write(f"the page is at {scheme}://{settings.host}:{settings.port}/\n")
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
    )


@app.command("add-user", cls=Command)
def add_user(
    out: OutArgument,
    name: NameArgument,
    *,
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.READER,
    data: DataOption = None,
) -> None:
    """Add a person; the password is shown once."""
    password = make_password()
    with _reported_errors(), _users(data or out / DATA_FOLDER) as users:
        users.add(name, role, password, now=time.time())
    sys.stdout.write(f"password of {name}, shown once: {password}\n")


@app.command(cls=Command)
def password(out: OutArgument, name: NameArgument, *, data: DataOption = None) -> None:
    """Make a new password for a person; it is shown once."""
    made = make_password()
    with _reported_errors(), _users(data or out / DATA_FOLDER) as users:
        users.set_password(name, made)
    sys.stdout.write(f"password of {name}, shown once: {made}\n")


@app.command("remove-user", cls=Command)
def remove_user(out: OutArgument, name: NameArgument, *, data: DataOption = None) -> None:
    """Remove a person; the verdicts stay."""
    with _reported_errors(), _users(data or out / DATA_FOLDER) as users:
        users.remove(name)
    sys.stdout.write(f"{name} cannot sign in any more\n")


@app.command(cls=Command)
def users(out: OutArgument, *, data: DataOption = None) -> None:
    """List who may sign in."""
    with _reported_errors(), _users(data or out / DATA_FOLDER) as found:
        for user in found.all():
            sys.stdout.write(f"{user.role:<11} {user.name}\n")


@app.command(cls=Command)
def rebuild(out: OutArgument, *, data: DataOption = None) -> None:
    """Read the verdicts into a new database, from their files."""
    from bonefx_page.store.verdicts import Verdicts

    folder = data or out / DATA_FOLDER
    with _reported_errors(), closing(connect(create(folder))) as connection:
        n = Verdicts(connection, folder).rebuild()
    sys.stdout.write(f"database with {n} verdicts; add the users again\n")


@app.command("install-service", cls=Command)
def install_service(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the results of the service.")
    ] = Path("/var/lib/bonefx"),
    *,
    admin: Annotated[
        str, typer.Option(metavar="NAME", help="Of the first administrator.")
    ] = "admin",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the steps and the unit, change nothing.")
    ] = False,
) -> None:
    """Install the page under systemd (as root), after edge-admin install-service."""
    from bonefx_edge.watch.install import install

    from bonefx_page.service.install import (
        UNIT,
        admin_step,
        describe,
        installation,
        users_step,
    )

    program = Path(sys.prefix) / "bin" / "edge-page"
    with _reported_errors(), _reported_steps():
        steps = installation(program, out)
        first = admin_step(program, out, admin)
        if dry_run:
            sys.stdout.write(describe([first, *steps]))
            return
        install([])  # only root may
        if not users_step(program, out).run():
            sys.stdout.write(first.run())
        install(steps)
    sys.stdout.write(f"the page runs: systemctl status {UNIT.name}; http://127.0.0.1:8080/\n")


@contextmanager
def _reported_steps() -> Iterator[None]:
    import shlex
    import subprocess

    try:
        yield
    except subprocess.CalledProcessError as err:
        said = f"{shlex.join(err.cmd)}: {err.stderr.strip()}"
        fail(f"a step failed: {said}; correct this and run it again", code=ExitCode.OUTPUT)


@contextmanager
def _users(folder: Path) -> Iterator[Users]:
    with closing(connect(create(folder))) as connection:
        yield Users(connection)


@contextmanager
def _reported_errors() -> Iterator[None]:
    try:
        yield
    except (UsageError, JournalError) as err:
        fail_with(err)
    except (OSError, sqlite3.Error) as err:
        msg = f"Cannot read and write the page's folder ({err}). Run this as the service's user."
        fail(msg, code=ExitCode.OUTPUT)


def main() -> None:
    """Entry point of the console script."""
    app()
