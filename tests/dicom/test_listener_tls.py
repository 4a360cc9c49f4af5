"""TLS with certificates on both sides; the senders are those of dcmtk."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from dicom_node import Listener, write_films

PEM = Path(__file__).parents[1] / "support" / "localhost.pem"
"""Key, and a certificate that is its own root."""
TLS = ("--tls-cert", str(PEM), "--tls-key", str(PEM), "--tls-client-ca", str(PEM))
CERTIFIED = ("+tls", str(PEM), str(PEM), "+cf", str(PEM))


@pytest.fixture(name="secure")
def _secure(folder):
    with Listener(folder, *TLS, "--health-port", "0") as listener:
        yield listener


def test_a_sender_with_a_certificate_is_served(secure, folder, tmp_path):
    paths = write_films(tmp_path / "films", range(3))
    assert secure.send(*paths, options=CERTIFIED).returncode == 0
    assert len(list(folder.glob("*.dcm"))) == 3


def test_without_tls_and_without_a_certificate_there_is_no_association(secure, folder, tmp_path):
    paths = write_films(tmp_path / "films", [1])
    assert secure.send(*paths).returncode != 0
    assert secure.send(*paths, options=("+tla", "+cf", str(PEM))).returncode != 0
    assert secure.echo(*CERTIFIED).returncode == 0
    assert list(folder.glob("*.dcm")) == []


def test_a_title_is_checked_beside_the_certificate(secure):
    found = secure.echo(*CERTIFIED, calling="OTHER")
    assert "Calling AE Title Not Recognized" in found.stderr


def test_silent_clients_keep_no_certified_sender_waiting(secure):
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(secure.connect())
        begin = time.monotonic()
        assert secure.echo(*CERTIFIED).returncode == 0
        assert time.monotonic() - begin < 2


@pytest.mark.parametrize("option", ["--tls-cert", "--tls-client-ca"])
def test_a_file_that_is_no_pem_is_named(option, folder, tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    words = list(TLS)
    words[words.index(option) + 1] = str(wrong)
    with pytest.raises(AssertionError, match=option):
        Listener(folder, *words)
