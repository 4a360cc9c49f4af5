"""The Samba recipe: smbd on the loopback interface, smbclient as the scanner and as a reader."""

import grp
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from watch_service import Watcher, current, decided, film_bytes, sha256, wait_until

RECIPE = Path(__file__).parents[2] / "recipes" / "smb.conf"
SMBD, SMBCLIENT, SMBPASSWD = (
    shutil.which(name) or "" for name in ("smbd", "smbclient", "smbpasswd")
)
SCANNER, READER = "daemon", "bin"
"""Accounts that every Debian has stand for those of the recipe."""
PASSWORD = "of this test"  # noqa: S105 - for a server that ends with the test
FOLDERS = ("private dir", "lock directory", "state directory", "cache directory", "pid directory")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all((SMBD, SMBCLIENT, SMBPASSWD)),
        reason="needs root, samba and smbclient",
    ),
]


class Server:
    def __init__(self, place: Path) -> None:
        self.inbox, self.results = place / "incoming", place / "results"
        for folder in (self.inbox, self.results, place / "smb"):
            folder.mkdir()
        os.chown(self.inbox, 1, -1)
        self.results.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        conf = place / "smb.conf"
        conf.write_text(self._text(place / "smb"))
        for user in (SCANNER, READER):
            subprocess.run(
                [SMBPASSWD, "-c", conf, "-a", "-s", user], check=True, capture_output=True,
                input=f"{PASSWORD}\n{PASSWORD}\n", text=True,
            )  # fmt: skip
        words = ["--foreground", "--no-process-group", "-s", conf, "-p", str(self.port)]
        self.log = (place / "smb.log").open("w")
        self.process = subprocess.Popen(
            [SMBD, *words], stderr=self.log, stdout=self.log, start_new_session=True
        )
        wait_until(self._answers, what="smbd")

    def _text(self, own: Path) -> str:
        text = RECIPE.read_text()
        for old, new in {
            "/srv/incoming": str(self.inbox), "/var/lib/bonefx": str(self.results),
            "= scanner": f"= {SCANNER}", "= reader": f"= {READER}",
            "= bonefx": f"= {grp.getgrgid(0).gr_name}",
        }.items():  # fmt: skip
            assert old in text
            text = text.replace(old, new)
        extra = [f"  {each} = {own}" for each in FOLDERS]
        extra += [f"  ncalrpc dir = {own}/rpc", f"  log file = {own}/log", "  log level = 0"]
        extra += ["  interfaces = 127.0.0.1", "  bind interfaces only = yes"]
        return text.replace("[global]", "\n".join(["[global]", *extra]))

    def _answers(self) -> bool:
        assert self.process.poll() is None, Path(self.log.name).read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self, user: str, share: str, what: str) -> str:
        done = subprocess.run(
            [SMBCLIENT, f"//127.0.0.1/{share}", "-p", str(self.port), "-U", f"{user}%{PASSWORD}",
             "-c", what],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()


@pytest.fixture(name="server")
def _server():
    # Not in tmp_path: its parents are for root only, and the accounts must reach the folders.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        server = Server(Path(place))
        yield server
        server.close()


def test_a_scanner_writes_films_and_readers_get_results_that_they_cannot_change(server, tmp_path):
    film = tmp_path / "film.png"
    film.write_bytes(film_bytes(1))
    with Watcher(server.inbox, server.results) as watcher:
        answer = server.ask(SCANNER, "inbox", f"lcd {tmp_path}; put film.png")
        assert "putting file film.png" in answer
        wait_until(lambda: decided(server.results), what="the result")
        assert set(current(server.results)) == {sha256(film.read_bytes())}
        assert watcher.stop() == 0
    assert (server.inbox / "film.png").stat().st_mode & 0o777 == 0o640
    name = f"{sha256(film.read_bytes())}.json"
    (server.results / name).chmod(0o644)  # as the group of the recipe may read it
    listed = server.ask(READER, "results", "ls")
    assert name in listed
    assert not re.search(r"\bjournal\b", listed)
    assert "ACCESS_DENIED" in server.ask(READER, "results", f"rm {name}")
    assert "ACCESS_DENIED" in server.ask(READER, "inbox", "ls")
    assert "ACCESS_DENIED" in server.ask(SCANNER, "results", "ls")
