"""What a sender may do to the listener: it keeps its memory, its files and its answers."""

import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from bonefx_dicom.listener.incoming import IncomingFiles
from dicom_node import (
    Listener,
    association_request,
    data_pdu,
    data_set_of,
    film_uid,
    read_pdu,
    store_command,
    write_films,
)
from watch_service import fill, wait_until

MOST_MIB = 100
ACCEPTED, REJECTED, DATA, ABORTED, HUNG_UP = 2, 3, 4, 7, 0


def associate(listener) -> socket.socket:
    """Return an established association."""
    connection = listener.connect()
    connection.sendall(association_request())
    assert read_pdu(connection)[0] == ACCEPTED
    return connection


def is_ended(connection) -> bool:
    """Return whether the listener ends the association, by an abort or by hanging up."""
    try:
        return read_pdu(connection)[0] in (ABORTED, HUNG_UP)
    except ConnectionResetError:
        return True


def flood(connection, data: bytes, *, times: int) -> None:
    """Send until the listener closes the connection; fail if it takes everything."""
    with suppress(ConnectionResetError, BrokenPipeError):
        for _ in range(times):
            connection.sendall(data)
        pytest.fail("the listener took everything")


def echo_s(listener, *options) -> float:
    begin = time.monotonic()
    assert listener.echo(*options).returncode == 0
    return time.monotonic() - begin


def test_twenty_large_films_at_once_stay_on_disk(listener, folder, tmp_path):
    (path,) = write_films(tmp_path / "films", [1], side=3200)  # 10 MB
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(listener.send, [path] * 20))
    assert [each.returncode for each in found] == [0] * 20
    assert listener.peak_mib() < MOST_MIB
    data = (folder / f"{film_uid(1)}.dcm").read_bytes()
    assert data_set_of(data) == data_set_of(path.read_bytes())


@pytest.mark.parametrize("kind", [1, 4], ids=["association request", "data"])
def test_a_pdu_that_says_3_gb_is_not_believed(kind, listener):
    with listener.connect() if kind == 1 else associate(listener) as connection:
        connection.sendall(struct.pack(">BxI", kind, 3_000_000_000))
        flood(connection, bytes(1 << 20), times=600)
    assert echo_s(listener) < 2
    assert listener.peak_mib() < MOST_MIB


@pytest.mark.parametrize("is_command", [True, False], ids=["command", "data set of an echo"])
def test_a_message_without_an_end_is_not_collected(is_command, listener):
    with associate(listener) as connection:
        if not is_command:
            echo = store_command("1.2.3").replace(
                struct.pack("<HHIH", 0, 0x100, 2, 1), struct.pack("<HHIH", 0, 0x100, 2, 0x30)
            )
            connection.sendall(data_pdu(echo, is_command=True, is_last=True))
        piece = data_pdu(bytes(16000), is_command=is_command, is_last=False)
        flood(connection, piece, times=20_000)
    assert listener.peak_mib() < MOST_MIB


def test_requests_without_waiting_for_answers_end_the_association(listener, folder):
    request = data_pdu(store_command("1.2.3"), is_command=True, is_last=True)
    request += data_pdu(b"\x08\0\x16\0UI\0\0", is_command=False, is_last=True)
    with associate(listener) as connection:
        flood(connection, request * 50, times=20_000)
    wait_until(lambda: list((folder / ".dicom").iterdir()) == [], what="no file is left")


def test_an_association_that_ends_in_the_middle_leaves_no_file_and_no_descriptor(listener, folder):
    before = listener.descriptors()
    begun = data_pdu(store_command("1.2.3"), is_command=True, is_last=True)
    begun += data_pdu(bytes(16000), is_command=False, is_last=False)
    for _ in range(10):
        with associate(listener) as connection:
            connection.sendall(begun)
            wait_until(lambda: list((folder / ".dicom").iterdir()), what="it is being received")
        wait_until(lambda: not list((folder / ".dicom").iterdir()), what="no file is left")
    wait_until(lambda: listener.descriptors() <= before, what="no descriptor is left")
    wait_until(lambda: "incomplete_total 10\n" in listener.page("/metrics")[1], what="counted")
    assert [path.name for path in folder.iterdir()] == [".dicom"]


def test_twenty_silent_clients_keep_nobody_waiting(listener):
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(listener.connect())
        assert echo_s(listener) < 2
        assert listener.peak_mib() < MOST_MIB


def test_a_silent_client_is_disconnected(listener):
    with listener.connect() as connection:
        assert is_ended(connection)  # after ACSE_TIMEOUT_S


@pytest.mark.parametrize("uid", ["../../x", ".", "1.2.3/4", "x"])
def test_a_uid_that_is_none_becomes_no_name(uid, listener, folder):
    with associate(listener) as connection:
        connection.sendall(data_pdu(store_command(uid), is_command=True, is_last=True))
        connection.sendall(data_pdu(b"\x08\0\x16\0UI\0\0", is_command=False, is_last=True))
        kind, body = read_pdu(connection)
        assert kind == DATA
        assert struct.pack("<HHIH", 0, 0x0900, 2, 0x0117) in body
    wait_until(lambda: [p.name for p in folder.rglob("*")] == [".dicom"], what="no file is left")


def test_a_request_without_a_uid_stores_nothing(listener, folder):
    with associate(listener) as connection:
        connection.sendall(data_pdu(store_command(""), is_command=True, is_last=True))
        connection.sendall(data_pdu(b"\x08\0\x16\0UI\0\0", is_command=False, is_last=True))
    wait_until(lambda: "incomplete_total 1\n" in listener.page("/metrics")[1], what="swept")
    assert [path.name for path in folder.rglob("*")] == [".dicom"]


def test_a_film_of_another_class_than_its_context_is_not_stored(listener, folder):
    command = store_command("1.2.3", sop_class="1.2.840.10008.5.1.4.1.1.2")
    with associate(listener) as connection:
        connection.sendall(data_pdu(command, is_command=True, is_last=True))
        connection.sendall(data_pdu(b"\x08\0\x16\0UI\0\0", is_command=False, is_last=True))
        kind, body = read_pdu(connection)
    assert kind == DATA
    assert struct.pack("<HHIH", 0, 0x0900, 2, 0x0122) in body
    assert [path.name for path in folder.iterdir()] == [".dicom"]


def test_on_a_full_disk_no_film_is_acknowledged_and_all_is_well_once_there_is_room(
    small_disk, tmp_path
):
    folder, ballast = small_disk / "incoming", small_disk / "ballast"
    folder.mkdir()
    paths = write_films(tmp_path / "films", range(3), side=1000)  # 1 MB
    with Listener(folder, "--min-free", "0", "--health-port", "0") as listener:
        fill(ballast, spare_pages=20)
        found = listener.send(*paths, options=["-v"])
        assert found.returncode != 0
        assert "Refused: OutOfResources" in found.stdout + found.stderr
        assert listener.echo().returncode == 0
        assert list(folder.rglob("*.dcm")) == []
        ballast.unlink()
        assert listener.send(*paths).returncode == 0
        assert len(list(folder.glob("*.dcm"))) == 3
        assert listener.page("/readyz")[0] == 200


def test_below_the_watermark_films_are_refused_before_the_disk_is_full(small_disk, tmp_path):
    folder, ballast = small_disk / "incoming", small_disk / "ballast"
    folder.mkdir()
    (path,) = write_films(tmp_path / "films", [1])
    with Listener(folder, "--min-free", "2", "--health-port", "0") as listener:
        ballast.write_bytes(bytes(3 << 20))
        assert listener.send(path).returncode != 0
        status, text = listener.page("/readyz")
        assert status == 503
        assert "every film is refused" in text
        assert "A700" in listener.said()
        ballast.unlink()
        assert listener.send(path).returncode == 0


def test_twenty_films_a_second_are_durable(listener, tmp_path):
    paths = write_films(tmp_path / "films", range(100))
    begin = time.monotonic()
    assert listener.send(*paths).returncode == 0
    assert len(paths) / (time.monotonic() - begin) >= 20


def test_four_associations_at_once_store_all_their_films(listener, folder, tmp_path):
    parts = [write_films(tmp_path / f"films {n}", range(n * 20, n * 20 + 20)) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda part: listener.send(*part), parts))
    assert [each.returncode for each in found] == [0] * 4
    assert len(list(folder.glob("*.dcm"))) == 80


def test_a_second_listener_on_a_folder_is_refused_and_removes_nothing(tmp_path) -> None:
    first = IncomingFiles(tmp_path, is_low=lambda: False)
    receiving = first.open()
    with pytest.raises(BlockingIOError):
        IncomingFiles(tmp_path, is_low=lambda: False)
    assert Path(receiving.name).exists()
