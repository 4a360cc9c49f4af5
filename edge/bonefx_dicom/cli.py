"""The command edge-dicom: a DICOM node beside the classifier. Exit codes: 0, 1, 2."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from bonefx_edge.cli.command import (
    Command,
    TlsCaOption,
    TlsCertOption,
    TlsKeyOption,
    all_or_none,
    make_app,
)
from bonefx_edge.cli.exit_codes import ExitCode, fail, fail_with
from bonefx_edge.errors import BonefxError, UsageError

from bonefx_dicom.ae_title import check_ae_title
from bonefx_dicom.results.kinds import DEFAULT_KINDS, ObjectKind

app = make_app("Receive radiographs by DICOM, and send their results.")

AllowOption = Annotated[
    list[str],
    typer.Option(
        metavar="TITLE@ADDRESS",
        help="A sender: calling AE title (* for any) and address or network. Repeatable.",
    ),
]
AeOption = Annotated[str, typer.Option(metavar="TITLE", help="Own AE title.")]
PortOption = Annotated[
    int, typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on.")
]
_TLS: Final = ("tls_cert", "tls_key", "tls_client_ca")


class _Listen(Command):
    sections = {"TLS, all three or none": _TLS}  # noqa: RUF012 - as in the class above


@app.command(cls=_Listen)
def listen(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Store films here: the watched folder, or one in it."),
    ],
    *,
    allow: AllowOption,
    ae: AeOption = "BONEFX",
    port: PortOption = 11112,
    address: Annotated[
        str, typer.Option(metavar="IP", help="Address of the network card to listen on.")
    ] = "0.0.0.0",  # noqa: S104 - --allow says who may send
    secondary_capture: Annotated[
        bool,
        typer.Option("--secondary-capture", help="Accept Secondary Capture too (film digitizers)."),
    ] = False,
    max_associations: Annotated[
        int, typer.Option(min=1, max=100, metavar="N", help="Associations at a time.")
    ] = 24,
    min_free: Annotated[
        int,
        typer.Option(min=0, metavar="MIB", help="Store no film when less disk space is free."),
    ] = 200,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="Serve /livez, /readyz and /metrics on 127.0.0.1; 0 takes any free port.",
        ),
    ] = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CA of the senders' certificates, PEM.")
    ] = None,
) -> None:
    """Receive films by C-STORE into a folder that edge-classify watches."""
    _need_pynetdicom()
    from bonefx_edge.watch.logs import configure_logging

    from bonefx_dicom.listener.app import listen as run
    from bonefx_dicom.listener.options import ListenOptions, Peer, TlsFiles

    names = "--tls-cert, --tls-key, --tls-client-ca"
    files = all_or_none(tls_cert, tls_key, tls_client_ca, names=names)
    configure_logging("bonefx_dicom")
    try:
        run(
            ListenOptions(
                folder=folder,
                ae_title=check_ae_title(ae, option="--ae"),
                peers=tuple(Peer.parse(each) for each in allow),
                port=port,
                address=address,
                tls=TlsFiles(*files) if files else None,
                min_free_mib=min_free,
                max_associations=max_associations,
                secondary_capture=secondary_capture,
                health_port=health_port,
            )
        )
    except BonefxError as err:
        fail_with(err)


@app.command(cls=Command)
def send(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the results, --out of the service.")
    ],
    *,
    films: Annotated[
        list[Path],
        typer.Option(metavar="DIR", help="The watched folder; again for where films are moved."),
    ],
    to: Annotated[
        list[str],
        typer.Option(metavar="TITLE@HOST:PORT", help="An archive. Repeatable."),
    ],
    ae: AeOption = "BONEFX",
    dicom_object: Annotated[
        list[ObjectKind] | None,
        typer.Option(
            metavar="|".join(ObjectKind),
            help=f"What to send; repeatable. Default: {' and '.join(DEFAULT_KINDS)}.",
        ),
    ] = None,
    tls_ca: TlsCaOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
) -> None:
    """Send the result of a message on standard input: for edge-classify --on-result."""
    _need_pynetdicom()
    from bonefx_dicom.sender.destination import ClientTls, Destination
    from bonefx_dicom.sender.options import SendOptions
    from bonefx_dicom.sender.send import end_with_service
    from bonefx_dicom.sender.send import send as run

    if not end_with_service():
        raise typer.Exit(ExitCode.OUTPUT)
    files = all_or_none(tls_ca, tls_cert, tls_key, names="--tls-ca, --tls-cert, --tls-key")
    try:
        options = SendOptions(
            results=out,
            films=tuple(films),
            destinations=tuple(Destination.parse(each) for each in to),
            calling=check_ae_title(ae, option="--ae"),
            kinds=tuple(dicom_object or DEFAULT_KINDS),
            tls=ClientTls(*files).context() if files else None,
        )
        is_done = run(options, sys.stdin.buffer.read())
    except BonefxError as err:
        fail_with(err)
    if not is_done:
        raise typer.Exit(ExitCode.OUTPUT)


@app.command("install-service", cls=Command)
def install_service(
    *,
    allow: AllowOption,
    ae: AeOption = "BONEFX",
    port: PortOption = 11112,
    watch: Annotated[
        Path, typer.Option(metavar="DIR", help="The watched folder; films go to dicom in it.")
    ] = Path("/srv/incoming"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the steps and the unit, change nothing.")
    ] = False,
) -> None:
    """Install the listener under systemd (as root), after edge-admin install-service."""
    import shlex
    import subprocess

    from bonefx_edge.watch.install import install

    from bonefx_dicom.listener.install import describe, installation
    from bonefx_dicom.listener.options import Peer

    try:
        check_ae_title(ae, option="--ae")
        words = ["--ae", ae, "--port", str(port)]
        for each in allow:
            Peer.parse(each)
            words += ["--allow", each]
        steps = installation(Path(sys.prefix) / "bin" / "edge-dicom", watch / "dicom", words)
        if not dry_run:
            install(steps)
    except UsageError as err:
        fail(str(err), code=ExitCode.USAGE)
    except OSError as err:
        fail(f"a step failed: {err}; correct this and run it again", code=ExitCode.OUTPUT)
    except subprocess.CalledProcessError as err:
        said = f"{shlex.join(err.cmd)}: {err.stderr.strip()}"
        fail(f"a step failed: {said}; correct this and run it again", code=ExitCode.OUTPUT)
    sys.stdout.write(describe(steps))


def _need_pynetdicom() -> None:
    """Leave with the command to install what is missing."""
    from importlib.util import find_spec

    if find_spec("pynetdicom") is None:
        msg = "edge-dicom: needs the extra dicom-net; pip install 'bonefx[dicom-net]'"
        fail(msg, code=ExitCode.USAGE)


def main() -> None:
    """Entry point of the console script."""
    app()
