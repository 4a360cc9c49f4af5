"""The command edge-admin: look after a device. Exit codes: 0, 1 (doctor found a fault), 2, 4, 5."""

import dataclasses
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.cli.admin_config import print_settings
from bonefx_edge.cli.admin_results import export, list_images, show, status
from bonefx_edge.cli.admin_text import describe
from bonefx_edge.cli.command import (
    Command,
    TlsCaOption,
    TlsCertOption,
    TlsKeyOption,
    all_or_none,
    make_app,
    was_given,
)
from bonefx_edge.cli.commission import commission
from bonefx_edge.cli.exit_codes import ExitCode, fail, fail_with
from bonefx_edge.cli.journal_access import (
    JournalOption,
    OutArgument,
    open_journal,
    reported_errors,
)
from bonefx_edge.errors import BonefxError, Reason, UsageError
from bonefx_edge.model.bundled import DEFAULT_MODEL
from bonefx_edge.watch.journal.states import JOURNAL_FOLDER

if TYPE_CHECKING:  # they import OpenCV, and the doctor must start where that is broken
    from bonefx_edge.classifier import Classifier

DOCTOR_FAULT: Final = 1
"""Exit code of `doctor` when a check failed."""
_DICOM_OPTIONS: Final = ("dicom_own", "to", "tls_ca", "tls_cert", "tls_key")

app = make_app("Look after a device that classifies radiographs.")


class _Doctor(Command):
    sections = {"DICOM, with --dicom": _DICOM_OPTIONS}  # noqa: RUF012 - as in the class above


@app.command(cls=_Doctor)
def doctor(
    context: typer.Context,
    *,
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Model to check.")
    ] = DEFAULT_MODEL,
    watch: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also check this watched folder."),
    ] = None,
    dicom: Annotated[
        bool, typer.Option("--dicom", help="Also check the DICOM listener and the archives.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per check.")] = False,
    dicom_own: Annotated[
        str, typer.Option(metavar="TITLE@HOST:PORT", help="The listener on this device.")
    ] = "BONEFX@127.0.0.1:11112",
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="TITLE@HOST:PORT", help="An archive. Repeatable."),
    ] = None,
    tls_ca: TlsCaOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
) -> None:
    """Check this device and say how to fix what is wrong."""
    from bonefx_edge.diagnostics.child import run_in_child

    network: list[Check] = []
    if dicom:
        network = _check_dicom(dicom_own, to or [], (tls_ca, tls_cert, tls_key))
    else:
        _refuse_without("--dicom", context, _DICOM_OPTIONS)
    checks = run_in_child(model)
    if watch:
        from bonefx_edge.watch.intake.selftest import check_watched_folder

        checks += check_watched_folder(watch, year=datetime.now(UTC).year)
    for check in checks + network:
        if as_json:
            sys.stdout.write(json.dumps(dataclasses.asdict(check)) + "\n")
            continue
        sys.stdout.write(f"{check.status.value:<5} {check.name:<13} {check.found}\n")
        if check.remedy:
            sys.stdout.write(f"{'':19} -> {check.remedy}\n")
    if any(check.status is CheckStatus.FAIL for check in checks + network):
        raise typer.Exit(DOCTOR_FAULT)


def _check_dicom(own: str, archives: list[str], files: tuple[Path | None, ...]) -> list[Check]:
    """Return the checks of the DICOM network, or leave if an option is wrong."""
    from importlib.util import find_spec

    if find_spec("pynetdicom") is None:
        missing, remedy = "the extra dicom-net is not installed", "pip install 'bonefx[dicom-net]'"
        return [Check("DICOM", CheckStatus.FAIL, missing, remedy)]
    from bonefx_dicom.diagnostics import check_network
    from bonefx_dicom.sender.destination import ClientTls, Destination

    given = all_or_none(*files, names="--tls-ca, --tls-cert, --tls-key")
    try:
        tls = ClientTls(*given).context() if given else None
        peers = [Destination.parse(each) for each in archives]
        return check_network(Destination.parse(own, option="--dicom-own"), peers, tls=tls)
    except BonefxError as err:
        fail_with(err)


def _refuse_without(needed: str, context: typer.Context, names: Iterable[str]) -> None:
    """Leave if one of these options was given: it does nothing without the other one."""
    for name in names:
        if was_given(context, name):
            option = f"--{name.replace('_', '-')}"
            msg = f"{option}: needs {needed}; add it, or leave {option} out"
            fail(msg, code=ExitCode.USAGE)


@app.command(cls=Command)
def verify(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A bundled model, or a model file.")
    ],
    *,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="ai_edge_litert or tflite_runtime. Default: the installed one."
        ),
    ] = None,
) -> None:
    """Check a model file byte for byte and show its manifest."""
    classifier = _load(model, runtime=runtime)
    sys.stdout.write(f"ok: sha256 {classifier.model.sha256}\n")
    info = classifier.runtime
    sys.stdout.write(f"opened by {info.name} {info.version}\n{describe(classifier.manifest)}")


app.command(cls=Command)(status)
app.command("list", cls=Command)(list_images)
app.command(cls=Command)(show)
app.command(cls=Command)(export)


@app.command(cls=Command)
def requeue(
    context: typer.Context,
    out: OutArgument,
    *,
    journal: JournalOption = None,
    model_changed: Annotated[
        bool, typer.Option("--model-changed", help="Images that another model classified.")
    ] = False,
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="With --model-changed: the model now.")
    ] = DEFAULT_MODEL,
    operating_point: Annotated[
        str | None, typer.Option(metavar="NAME", help="As --model, for the operating point.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(metavar="whole|tiled", help="As --model, for --mode.")
    ] = None,
    site_profile: Annotated[
        str | None, typer.Option(metavar="FILE", help="As --model, for --site-profile.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="CODE", help="Images refused for this reason.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Retry failed images now.")] = False,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="One image, by the first digits of its sha256."),
    ] = None,
) -> None:
    """Classify images again; old results stay until then."""
    from bonefx_edge.watch.journal.admin import Requeue

    if not model_changed:
        of_model = ("model", "operating_point", "mode", "site_profile")
        _refuse_without("--model-changed", context, of_model)
    if reason is not None and reason not in set(Reason):
        msg = f"--reason: expected one of {', '.join(Reason)}, got {reason!r}"
        fail(msg, code=ExitCode.USAGE)
    asked: list[tuple[Requeue, str]] = [(Requeue.FAILED, "")] if failed else []
    asked += [(Requeue.REFUSED_FOR, reason)] if reason else []
    asked += [(Requeue.SHA256, sha256)] if sha256 else []
    if model_changed:
        options = {"operating_point": operating_point, "mode": mode, "site_profile": site_profile}
        now = _predictor(model, options)
        asked.append((Requeue.OTHER_PREDICTOR, now))
    if not asked:
        msg = "Say which images: --model-changed, --reason, --failed or --sha256"
        fail(msg, code=ExitCode.USAGE)
    with open_journal(out, journal) as admin:
        n = sum(admin.requeue(which, value) for which, value in asked)
    sys.stdout.write(f"images to classify again: {n}\n")


def _predictor(model: str, options: dict[str, str | None]) -> str:
    """Return the predictor of a service with this model and these options."""
    found = _load(model, **options)
    from bonefx_edge.watch.workers.main import describe as describe_predictor

    return describe_predictor(found)


def _load(model: str, **options: Any) -> "Classifier":
    """Return the classifier, or leave with the cause; the interpreter is tried in a child first."""
    from bonefx_edge.diagnostics.child import try_interpreter

    try:
        try_interpreter(options.get("runtime"))
        from bonefx_edge.classifier import Classifier

        return Classifier.load(model, threads=(1,), **options)
    except BonefxError as err:
        fail_with(err)


@app.command("reset-canary", cls=Command)
@app.command("forget-canary", cls=Command, hidden=True)  # its name until version 0.4
def reset_canary(out: OutArgument, *, journal: JournalOption = None) -> None:
    """Reset the self-test after a hardware or library change."""
    with open_journal(out, journal) as admin:
        n = admin.reset_canary()
    sys.stdout.write(f"{n} self-test baselines removed; restart the service\n")


@app.command("adopt-folders", cls=Command)
def adopt_folders(out: OutArgument, *, journal: JournalOption = None) -> None:
    """Use the folders of results and archive as they are."""
    with open_journal(out, journal) as admin:
        n = admin.adopt_folders()
    sys.stdout.write(f"{n} folders will be used as they are; restart the service\n")


@app.command(cls=Command)
def rebuild(out: OutArgument, *, journal: JournalOption = None) -> None:
    """Recreate a lost journal from the result files."""
    from bonefx_edge.watch.journal.rebuild import rebuild as rebuild_journal

    with reported_errors():
        n = rebuild_journal(out, journal or out / JOURNAL_FOLDER)
    sys.stdout.write(
        f"journal with {n} current results; files are read once when the service runs\n"
    )


app.command(cls=Command)(commission)
app.command("config", cls=Command)(print_settings)


@app.command("install-service", cls=Command)
def install_service(
    *,
    watch: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder where radiographs arrive.")
    ] = Path("/srv/incoming"),
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings file for the service; it may read it."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the steps and the unit, change nothing.")
    ] = False,
) -> None:
    """Install the watching service under systemd (as root)."""
    import shlex
    import subprocess

    from bonefx_edge.watch.install import describe, install, installation

    try:
        steps = installation(Path(sys.prefix) / "bin" / "edge-classify", watch, config)
        if not dry_run:
            install(steps)
    except UsageError as err:
        fail(str(err), code=ExitCode.USAGE)
    except OSError as err:
        fail(f"a step failed: {err}; correct this and run it again", code=ExitCode.OUTPUT)
    except subprocess.CalledProcessError as err:
        said = f"{shlex.join(err.cmd)}: {err.stderr.strip()}"
        fail(f"a step failed: {said}; correct this and run it again", code=ExitCode.OUTPUT)
    sys.stdout.write(describe(steps, watch))


def main() -> None:
    """Entry point of the console script."""
    app()
