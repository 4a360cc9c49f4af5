"""From C-STORE to a result, and a listener that is killed again and again.

Short by itself; `make chaos-dicom` sends 1,000 films with 50 kills (BONEFX_CHAOS=long).
"""

import os
import random
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from dicom_node import (
    HOST,
    Listener,
    association_request,
    data_set_of,
    dicom_film,
    film_uid,
    read_pdu,
    store_request,
    write_films,
)
from watch_service import Watcher, current, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

LONG = os.environ.get("BONEFX_CHAOS") == "long"
FILMS, KILLS = (1000, 50) if LONG else (160, 8)
ASSOCIATIONS = 4
ACCEPTED, DATA = 2, 4
SUCCESS = b"\0\0\0\x09\x02\0\0\0\0\0"
"""Element Status (0000,0900) of 0."""
SETTLE_S = 0.3
"""Of `Watcher`."""


class Sender(threading.Thread):
    """A modality: it sends each film until it gets a success."""

    def __init__(self, port: int, films: dict[str, Path]) -> None:
        super().__init__()
        self._port, self._waiting = port, list(films.items())
        self.acknowledged = self.failures = 0

    def run(self) -> None:
        while self._waiting:
            with suppress(OSError), socket.create_connection((HOST, self._port), 30) as connection:
                connection.sendall(association_request())
                if read_pdu(connection)[0] == ACCEPTED:
                    self._send_until_it_fails(connection)
            time.sleep(0.02)

    def _send_until_it_fails(self, connection: socket.socket) -> None:
        while self._waiting:
            uid, path = self._waiting[0]
            self.failures += 1
            connection.sendall(store_request(uid, data_set_of(path.read_bytes())))
            kind, body = read_pdu(connection)
            if kind != DATA or SUCCESS not in body:
                return
            self.failures -= 1
            self.acknowledged += 1
            del self._waiting[0]


@pytest.mark.timeout(1800 if LONG else 300)
def test_each_acknowledged_film_is_there_although_the_listener_is_killed(folder, tmp_path):
    rng = random.Random(11)
    paths = write_films(tmp_path / "films", range(FILMS), side=400)
    listener = Listener(folder)
    films = {film_uid(number): path for number, path in enumerate(paths)}
    parts = [dict(list(films.items())[n::ASSOCIATIONS]) for n in range(ASSOCIATIONS)]
    senders = [Sender(listener.port, part) for part in parts]
    for sender in senders:
        sender.start()
    kills = 0
    while any(sender.is_alive() for sender in senders):
        goal = sum(sender.acknowledged for sender in senders) + FILMS / (4 * KILLS)
        # Each life stores its share of the films, so that every kill comes amid them.
        wait_until(
            lambda goal=goal: (
                sum(sender.acknowledged for sender in senders) >= goal
                or not any(sender.is_alive() for sender in senders)
            ),
            what="films are stored",
        )
        if kills < KILLS:
            time.sleep(rng.uniform(0.0, 0.05))
            listener.kill()
            kills += 1
            listener = Listener(folder, port=listener.port)
    with listener:
        assert kills == KILLS
        assert sum(sender.failures for sender in senders) > 0, "no kill came amid a film"
        assert list((folder / ".dicom").iterdir()) == []
        found = {path.name: path for path in folder.iterdir() if path.name != ".dicom"}
        assert set(found) == {f"{film_uid(number)}.dcm" for number in range(FILMS)}
        for number in range(FILMS):
            received = found[f"{film_uid(number)}.dcm"].read_bytes()
            assert data_set_of(received) == data_set_of(paths[number].read_bytes())


def test_a_film_that_is_sent_has_a_result_soon_and_no_second_one_when_sent_again(
    folder, out, tmp_path
):
    paths = write_films(tmp_path / "films", range(12))
    took = []
    with Watcher(folder, out) as watcher, Listener(folder) as listener:
        wait_until(lambda: "watching by" in watcher.said(), what="watches")
        for number, path in enumerate(paths):
            begin = time.monotonic()
            assert listener.send(path).returncode == 0
            wait_until(lambda n=number: len(current(out)) > n, what="result")
            took.append(time.monotonic() - begin)
        assert sorted(took[2:])[-2] < SETTLE_S + 1.0  # the first ones wait for the model
        assert listener.send(*paths).returncode == 0
        late = tmp_path / "late.dcm"
        late.write_bytes(dicom_film(99))
        assert listener.send(late).returncode == 0
        wait_until(lambda: len(current(out)) > len(paths), what="the one after the others")
        assert len(current(out)) == len(paths) + 1
