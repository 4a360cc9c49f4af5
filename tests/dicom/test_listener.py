"""What the listener accepts, stores and rejects; the senders are those of dcmtk."""

import os
import re
import subprocess
import sys
import time

import pytest
from bonefx_dicom.results.own_objects import DEVICE_UID, MANUFACTURER
from dicom_node import (
    HOST,
    PROGRAM,
    Listener,
    association_request,
    data_set_of,
    dicom_film,
    film_uid,
    read_pdu,
    write_films,
)
from image_files import dicom_jpeg, dicom_jpeg_2000, dicom_jpeg_ls, dicom_rle
from lossless_jpeg_files import dicom_lossless_jpeg
from toy import film
from watch_service import wait_until

CR = "1.2.840.10008.5.1.4.1.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
HEAD = (
    b"\x02\0\0\0UL\x04\0\xbc\0\0\0"
    b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01"
    b"\x02\0\x02\0UI\x1c\x001.2.840.10008.5.1.4.1.1.1.1\0"
    b"\x02\0\x03\0UI\x1c\x001.2.826.0.1.3680043.8.498.1\0"
    b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    b"\x02\0\x12\0UI,\x002.25.188584355546537990157873879646013585668"
    b"\x02\0\x13\0SH\x0e\0BONEFX_DICOM_1"
)
"""File meta information that is stored with film 1. Other bytes would change the sha256 of all
films: one that is sent again after an upgrade would get a second result."""


def stored(folder):
    """Return the stored films by name; there is nothing else but the folder of partial files."""
    assert list((folder / ".dicom").iterdir()) == []
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".dicom"}


def test_films_are_stored_with_the_data_set_that_was_sent(listener, folder, tmp_path):
    paths = write_films(tmp_path / "films", range(3))
    assert listener.send(*paths).returncode == 0
    films = stored(folder)
    assert set(films) == {f"{film_uid(number)}.dcm" for number in range(3)}
    for number, path in enumerate(paths):
        received = films[f"{film_uid(number)}.dcm"]
        assert data_set_of(received) == data_set_of(path.read_bytes())


def test_a_film_is_stored_as_the_same_bytes_whoever_sends_it_and_for_ever(folder, tmp_path):
    (path,) = write_films(tmp_path / "films", [1])
    heads = set()
    with Listener(folder, allow=f"*@{HOST}") as listener:
        for calling in ("DX1", "ARCHIVE"):
            assert listener.send(path, calling=calling).returncode == 0
            (data,) = stored(folder).values()
            heads.add(data.removesuffix(data_set_of(data)))
    assert heads == {bytes(128) + b"DICM" + HEAD}


def test_a_film_of_the_same_uid_with_another_content_replaces_the_first(listener, folder, tmp_path):
    (path,) = write_films(tmp_path / "films", [1])
    assert listener.send(path).returncode == 0
    path.write_bytes(dicom_film(1, side=64))
    assert listener.send(path).returncode == 0
    (data,) = stored(folder).values()
    assert data_set_of(data) == data_set_of(path.read_bytes())


@pytest.mark.parametrize(
    ("write", "propose"),
    [
        (dicom_rle, "-xr"),
        (dicom_jpeg, "-xy"),
        (dicom_jpeg_ls, "-xt"),
        (dicom_jpeg_2000, "-xv"),
        (dicom_lossless_jpeg, "-xs"),
    ],
)
def test_compressed_films_arrive_as_they_are(write, propose, listener, folder, tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(write(film(100)))
    assert listener.send(path, options=[propose]).returncode == 0
    (data,) = stored(folder).values()
    assert data_set_of(data) == data_set_of(path.read_bytes())


def test_a_film_of_12_bits_in_lossy_jpeg_finds_no_presentation_context(listener, folder, tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom_jpeg(film(100), syntax="1.2.840.10008.1.2.4.51"))
    assert "unable to convert" in listener.send(path, options=["-xx"]).stderr
    assert stored(folder) == {}


@pytest.mark.parametrize("sop_class", [CT, FOR_PROCESSING, SECONDARY_CAPTURE])
def test_what_is_no_radiograph_for_presentation_finds_no_presentation_context(
    sop_class, listener, folder, tmp_path
):
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom_film(1, SOPClassUID=sop_class))
    assert "No presentation context" in listener.send(path).stderr
    assert stored(folder) == {}


@pytest.mark.parametrize(
    ("sop_class", "options"), [(CR, ()), (SECONDARY_CAPTURE, ("--secondary-capture",))]
)
def test_films_of_plates_and_digitizers_are_stored(sop_class, options, folder, tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom_film(1, SOPClassUID=sop_class, Modality="RG"))
    with Listener(folder, *options) as listener:
        assert listener.send(path).returncode == 0
    assert len(stored(folder)) == 1


def test_a_result_of_bonefx_that_is_sent_back_is_passed_over_without_an_error(folder, tmp_path):
    path = tmp_path / "film.dcm"
    own = {"Manufacturer": MANUFACTURER, "DeviceUID": DEVICE_UID, "Modality": "OT"}
    path.write_bytes(dicom_film(1, SOPClassUID=SECONDARY_CAPTURE, **own))
    with Listener(folder, "--secondary-capture", "--health-port", "0") as listener:
        assert listener.send(path).returncode == 0
        assert "own_results_total 1\n" in listener.page("/metrics")[1]
    assert stored(folder) == {}


def test_an_echo_of_a_listed_sender_and_of_the_node_itself_is_answered(listener):
    assert listener.echo().returncode == 0
    assert listener.echo(calling="BONEFX").returncode == 0


@pytest.mark.parametrize(
    ("calling", "called", "reason"),
    [
        ("OTHER", "BONEFX", "Calling AE Title Not Recognized"),
        ("DX1", "OTHER", "Called AE Title Not Recognized"),
        ("dx1", "BONEFX", "Calling AE Title Not Recognized"),
    ],
)
def test_other_ae_titles_are_rejected_with_the_reason_of_the_standard(
    calling, called, reason, listener, folder, tmp_path
):
    paths = write_films(tmp_path / "films", [1])
    found = listener.send(*paths, calling=calling, called=called)
    assert found.returncode != 0
    assert "Rejected Permanent, Source: Service User" in found.stderr
    assert reason in found.stderr
    assert stored(folder) == {}


def test_a_listed_title_from_another_address_is_rejected(folder):
    with Listener(folder, allow="DX1@192.0.2.1") as listener:
        assert "Calling AE Title Not Recognized" in listener.echo().stderr


def test_more_associations_than_allowed_are_rejected_until_one_ends(folder):
    with Listener(folder, "--max-associations", "1", "--health-port", "0") as listener:
        with listener.connect() as holder:
            holder.sendall(association_request())
            read_pdu(holder)
            assert "associations 1\n" in listener.page("/metrics")[1]
            assert "Local Limit Exceeded" in listener.echo().stderr
        wait_until(lambda: listener.echo().returncode == 0, what="room again")


def test_the_node_stores_nothing_that_calls_itself_by_its_own_title(listener, folder, tmp_path):
    paths = write_films(tmp_path / "films", [1])
    assert listener.send(*paths, calling="BONEFX").returncode != 0
    assert stored(folder) == {}


def test_a_stop_by_the_system_is_clean_also_with_an_open_association(listener, folder):
    with listener.connect():
        begin = time.monotonic()
        assert listener.stop() == 0
        assert time.monotonic() - begin < 10
    assert "Traceback" not in listener.said()


def test_what_an_earlier_process_left_half_is_removed(folder):
    partial = folder / ".dicom"
    partial.mkdir()
    (partial / "7.part").write_bytes(b"half a film")
    with Listener(folder):
        assert list(partial.iterdir()) == []


def test_pages_say_what_is_stored_and_rejected_in_numbers_only(listener, tmp_path):
    paths = write_films(tmp_path / "films", range(2))
    assert listener.send(*paths).returncode == 0
    listener.echo(calling="OTHER")
    assert listener.page("/livez")[0] == listener.page("/readyz")[0] == 200
    text = listener.page("/metrics")[1]
    assert "bonefx_dicom_stored_total 2\n" in text
    assert 'bonefx_dicom_rejected_total{reason="calling_ae_title"} 1\n' in text
    said = text + listener.said()
    assert not re.search("Secret|SECRET", said)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--allow", "DX1"], "expected TITLE@ADDRESS"),
        (["--allow", "DX1@192.168.1.1/24"], "expected TITLE@ADDRESS"),
        (["--allow", "A TITLE TOO LONG 17@192.0.2.1"], "expected an AE title"),
        (["--allow", "DX1@192.0.2.1", "--ae", "BON\\EFX"], "expected an AE title"),
        (["--allow", "DX1@192.0.2.1", "--tls-key", "key.pem"], "give all three, or none"),
        (["--allow", "DX1@192.0.2.1", "--address", "192.0.2.9"], "expected a free port"),
        ([], "--allow"),
    ],
)
def test_a_wrong_command_line_is_explained(options, message, folder):
    done = subprocess.run(
        [*PROGRAM, "listen", str(folder), "--port", "0", *options],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_missing_is_named(folder):
    done = subprocess.run(
        [*PROGRAM, "listen", str(folder / "none"), "--allow", "DX1@192.0.2.1"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected a folder for the films" in done.stderr


def test_without_the_extra_the_command_names_it(folder):
    code = "import sys; sys.modules['pynetdicom'] = None\nfrom bonefx_dicom.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "listen", str(folder), "--allow", "DX1@192.0.2.1"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'bonefx[dicom-net]'" in done.stderr


@pytest.mark.parametrize("module", ["bonefx_edge.cli.classify", "bonefx_edge.cli.admin"])
def test_the_other_commands_load_nothing_of_the_node(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not {"pynetdicom", "bonefx_dicom.listener"} & loaded
