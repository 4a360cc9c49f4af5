"""`edge-admin doctor --dicom`: what it says of a listener and of archives, good and bad."""

import json
import socket
import sys
from pathlib import Path

import pytest
from bonefx_edge.cli.admin import app
from dicom_node import HOST, SENDER, TITLE, Archive, Listener, free_port
from orthanc import Orthanc
from pynetdicom import AE, evt
from typer.testing import CliRunner

PEM = Path(__file__).parents[1] / "support" / "localhost.pem"
pytestmark = pytest.mark.filterwarnings(
    # pynetdicom leaves it to Python to close a socket whose TLS handshake failed.
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
TLS = ("--tls-ca", PEM, "--tls-cert", PEM, "--tls-key", PEM)


@pytest.fixture(autouse=True)
def _only_the_network(monkeypatch):
    monkeypatch.setattr("bonefx_edge.diagnostics.child.run_in_child", lambda _model: [])


def doctor(*options, own=None):
    """Return exit code and checks: (name, status, what was found and what to do)."""
    own = ["--dicom-own", own] if own else []
    words = ["doctor", "--dicom", "--json", *own, *options]
    done = CliRunner().invoke(app, [str(each) for each in words])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.exit_code, [
        (row["name"], row["status"], f"{row['found']} -> {row['remedy']}") for row in rows
    ]


def archive_check(*options):
    """Return status and words about an archive; nobody listens on the own port."""
    code, checks = doctor("--to", *options, own=f"{TITLE}@{HOST}:{free_port()}")
    assert code == 1
    name, status, text = checks[-1]
    assert name == "DICOM archive"
    return status, text


def test_a_listener_and_an_archive_that_work_are_ok(listener, tmp_path):
    with Orthanc(tmp_path / "archive") as archive:
        code, checks = doctor("--to", archive.name, own=f"{TITLE}@{HOST}:{listener.port}")
    assert code == 0, checks
    assert [each[:2] for each in checks] == [
        ("DICOM port", "ok"), ("DICOM echo", "ok"), ("DICOM archive", "ok"),
    ]  # fmt: skip
    assert "takes reports and pictures" in checks[-1][2]


def test_a_port_without_listener_is_free_or_says_how_to_start_it():
    code, [(name, status, text)] = doctor(own=f"{TITLE}@{HOST}:{free_port()}")
    assert (code, name, status) == (1, "DICOM port", "fail")
    assert "the port is free -> start the listener: sudo systemctl start bonefx-dicom" in text


def test_a_port_that_is_taken_at_another_address_is_named():
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        _, [(_, status, text)] = doctor(own=f"{TITLE}@{HOST}:{port}")
    assert status == "fail"
    assert "not free" in text
    assert "--dicom-own BONEFX@ADDRESS:PORT" in text


def test_another_title_than_that_of_the_listener_is_explained(listener):
    _, [_, (name, status, text)] = doctor(own=f"OTHER@{HOST}:{listener.port}")
    assert (name, status) == ("DICOM echo", "fail")
    assert "Calling AE title not recognised" in text


def test_another_program_on_the_port_is_not_taken_for_the_listener(tmp_path):
    with Archive(tmp_path / "other") as other:
        _, [_, (_, status, text)] = doctor(own=f"PACS@{HOST}:{other.port}")
    assert status == "fail"
    assert "is not bonefx" in text


def test_a_listener_with_tls_is_asked_with_tls(folder):
    files = ("--tls-cert", PEM, "--tls-key", PEM, "--tls-client-ca", PEM)
    with Listener(folder, *map(str, files)) as listener:
        own = f"{TITLE}@{HOST}:{listener.port}"
        code, checks = doctor(*TLS, own=own)
        assert (code, checks[-1][:2]) == (0, ("DICOM echo", "ok"))
        assert "answers with TLS" in checks[-1][2]
        code, checks = doctor(own=own)
    assert (code, checks[-1][:2]) == (1, ("DICOM echo", "fail"))
    assert "with TLS: give --tls-ca" in checks[-1][2]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (f"PACS@{HOST}:1", "the connection is refused -> start the archive"),
        ("PACS@nowhere.invalid:104", "no address is known for this name -> correct the name"),
    ],
)
def test_an_archive_that_cannot_be_reached_is_explained(where, words):
    status, text = archive_check(where)
    assert status == "fail"
    assert words in text


def test_a_port_that_answers_nothing_is_no_archive():
    with socket.create_server((HOST, 0)) as silent:
        _, text = archive_check(f"PACS@{HOST}:{silent.getsockname()[1]}")
    assert "the request for an association has no answer" in text
    assert "check that it is DICOM's port" in text


def test_an_archive_that_aborts_each_association_is_explained():
    entity = AE("PACS")
    entity.add_supported_context("1.2.840.10008.1.1")
    handlers = [(evt.EVT_ESTABLISHED, lambda event: event.assoc.abort())]
    server = entity.start_server((HOST, 0), block=False, evt_handlers=handlers)
    try:
        for _ in range(5):  # before the echo, or amid it
            status, text = archive_check(f"PACS@{HOST}:{server.socket.getsockname()[1]}")
            assert status == "fail"
            assert "no success for an echo" in text or "no answer" in text
    finally:
        server.shutdown()


@pytest.mark.parametrize("name", ["a..b", "x" * 70, "."])
def test_a_name_that_no_host_can_have_is_refused(name):
    words = ["doctor", "--dicom", "--to", f"PACS@{name}:104"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "--to: expected TITLE@HOST:PORT" in done.stderr


def test_an_archive_with_another_title_is_explained(tmp_path):
    with Orthanc(tmp_path / "archive", DicomCheckCalledAet=True) as archive:
        status, text = archive_check(archive.name.replace("PACS", "OTHER"))
    assert status == "fail"
    assert "its AE title is not OTHER: correct it, upper and lower case count" in text


def test_an_archive_that_does_not_know_this_device_is_explained(folder):
    with Listener(folder, allow=f"{SENDER}@{HOST}") as other:
        _, checks = doctor("--to", f"{TITLE}@{HOST}:{other.port}", own=f"MINE@{HOST}:{free_port()}")
    assert "enter the AE title MINE with the address of this device at BONEFX" in checks[-1][2]


def test_an_archive_that_takes_no_results_is_a_warning(listener):
    status, text = archive_check(f"{TITLE}@{HOST}:{listener.port}")
    assert status == "warn"
    assert "takes no structured reports and no pictures" in text


def test_tls_of_an_archive_is_tried_before_its_title(tmp_path):
    with Archive(tmp_path / "archive", "+tls", str(PEM), str(PEM), "+cf", str(PEM)) as archive:
        name = archive.name.replace(HOST, "localhost")
        elsewhere = archive.name.replace(HOST, "127.0.0.2")
        status, text = archive_check(name, *TLS)
        assert status == "ok", text
        assert "answers with TLS" in text
        assert "with TLS: give --tls-ca" in archive_check(name)[1]
        assert "its certificate is not accepted" in archive_check(elsewhere, *TLS)[1]
    with Archive(tmp_path / "plain") as archive:
        assert "no TLS connection -> compare" in archive_check(archive.name, *TLS)[1]


def test_without_the_extra_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    code, checks = doctor()
    assert code == 1
    assert checks == [
        ("DICOM", "fail", "the extra dicom-net is not installed -> pip install 'bonefx[dicom-net]'")
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "PACS@127.0.0.1:1"], "--to: needs --dicom"),
        (["--tls-ca", "x"], "--tls-ca: needs --dicom"),
        (["--dicom", "--tls-ca", "x"], "give all three, or none"),
        (["--dicom", "--dicom-own", "BONEFX"], "--dicom-own: expected TITLE@HOST:PORT"),
    ],
)
def test_options_that_do_nothing_or_are_wrong_are_refused(options, words):
    done = CliRunner().invoke(app, ["doctor", *options])
    assert done.exit_code == 2
    assert words in done.stderr
