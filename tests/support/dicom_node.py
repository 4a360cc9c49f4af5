"""`edge-dicom listen` as a process, films for it, and raw senders that behave badly."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
from image_files import DIGITAL_X_RAY, dicom_file
from watch_service import PATIENCE_S, wait_until

_PYTHON = os.environ.get("BONEFX_DEVICE_PYTHON", sys.executable)
"""For figures: pydicom takes 8 MiB more where requests and Pillow are installed."""
PROGRAM = [_PYTHON, "-c", "from bonefx_dicom.cli import main; main()"]
SENDER = "DX1"
TITLE = "BONEFX"
HOST = "127.0.0.1"
_STORESCP = shutil.which("storescp") or "storescp"


def film_uid(number: int) -> str:
    """Return the SOP Instance UID of a film."""
    return f"1.2.826.0.1.3680043.8.498.{number}"


def dicom_film(number: int, *, side: int = 96, **elements) -> bytes:
    """Return a digital radiograph; no two numbers give the same bytes."""
    pixels = np.random.default_rng(number).integers(40, 220, (side, side)).astype(np.uint8)
    return dicom_file(pixels, SOPInstanceUID=film_uid(number), **elements)


def write_films(folder: Path, numbers, **options) -> list[Path]:
    """Write films as files to send; return them."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.dcm" for number in numbers]
    for number, path in zip(numbers, paths, strict=True):
        path.write_bytes(dicom_film(number, **options))
    return paths


def data_set_of(data: bytes) -> bytes:
    """Return a DICOM Part 10 file without preamble and file meta information."""
    (length,) = struct.unpack_from("<I", data, 140)  # (0002,0000), always the first
    return data[144 + length :]


class Listener:
    """`edge-dicom listen` in a process of its own, on a free port."""

    def __init__(self, folder: Path, *options: str, allow: str = f"{SENDER}@{HOST}", port: int = 0):
        self.log = folder.with_suffix(".dicom.log")
        own = ["--ae", TITLE, "--allow", allow, "--port", str(port), "--min-free", "1"]
        with self.log.open("ab") as log:
            self._start = log.tell()
            command = [*PROGRAM, "listen", str(folder), *own, *options]
            self.process = subprocess.Popen(command, stderr=log)
        wait_until(lambda: self._port() or self.process.poll() is not None, what="listens")
        assert self.process.poll() is None, self.said()
        self.port = int(self._port())

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As the system does; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)

    def said(self) -> str:
        return self.log.read_bytes()[self._start :].decode()

    def page(self, path: str) -> tuple[int, str]:
        """Return status and text of a page of the health port."""
        port = re.search(r"http://127.0.0.1:(\d+)", self.said())
        assert port
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port[1]}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as err:
            return err.code, err.read().decode()

    def peak_mib(self) -> float:
        """Return the highest resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=PATIENCE_S)

    def echo(self, *options: str, calling: str = SENDER, called: str = TITLE, timeout_s=30):
        return run(
            "echoscu", *options, self.port, calling=calling, called=called, timeout_s=timeout_s
        )

    def send(self, *paths: Path, options=(), calling: str = SENDER, called: str = TITLE):
        """Send files with dcmtk, which stops at the first that fails."""
        return run("storescu", *options, self.port, *paths, calling=calling, called=called)

    def _port(self) -> str:
        found = re.search(rf"{TITLE} listens on port (\d+)", self.said())
        return found[1] if found else ""


def run(program: str, *words, calling: str, called: str, timeout_s: float = PATIENCE_S):
    """Run a program of dcmtk against a port of this machine; the port is the first number."""
    at = next(index for index, word in enumerate(words) if isinstance(word, int))
    options, port, files = words[:at], words[at], words[at + 1 :]
    titles = ["-aet", calling, "-aec", called]
    return subprocess.run(
        [program, *titles, *options, HOST, str(port), *map(str, files)],
        capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip


def association_request(*, called: str = TITLE, calling: str = SENDER) -> bytes:
    """Return an A-ASSOCIATE-RQ for DX in Explicit VR Little Endian (PS3.8 section 9.3.2)."""

    def item(kind: int, body: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(body)) + body

    context = b"\x01\0\0\0" + item(0x30, DIGITAL_X_RAY.encode())
    context += item(0x40, b"1.2.840.10008.1.2.1")
    user = item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3")
    body = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16).encode(), calling.ljust(16).encode())
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, context) + item(0x50, user)
    return struct.pack(">BxI", 1, len(body)) + body


def data_pdu(fragment: bytes, *, is_command: bool, is_last: bool) -> bytes:
    """Return a P-DATA-TF PDU of one value for context 1 (PS3.8 section 9.3.5)."""
    value = bytes([1, is_command | is_last << 1]) + fragment
    return struct.pack(">BxI", 4, 4 + len(value)) + struct.pack(">I", len(value)) + value


def store_command(uid: str, *, sop_class: str = DIGITAL_X_RAY) -> bytes:
    """Return the command set of a C-STORE request (PS3.7 section 9.3.1)."""

    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHI", 0, number, len(value)) + value

    def text(number: int, value: str) -> bytes:
        return element(number, value.encode() + b"\0" * (len(value) % 2))

    body = text(0x0002, sop_class) + element(0x0100, b"\x01\0") + element(0x0110, b"\x01\0")
    body += element(0x0700, b"\0\0") + element(0x0800, b"\x01\0") + text(0x1000, uid)
    return element(0, struct.pack("<I", len(body))) + body


def store_request(uid: str, data_set: bytes) -> bytes:
    """Return the PDUs of a C-STORE request."""
    pieces = [data_set[at : at + 16000] for at in range(0, len(data_set), 16000)]
    pdus = [data_pdu(piece, is_command=False, is_last=False) for piece in pieces[:-1]]
    last = data_pdu(pieces[-1], is_command=False, is_last=True)
    command = data_pdu(store_command(uid), is_command=True, is_last=True)
    return b"".join([command, *pdus, last])


def read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """Return type and body of the next PDU; type 0 where the peer hung up."""
    head = _read(connection, 6)
    if len(head) < 6:
        return 0, b""
    kind, length = struct.unpack(">BxI", head)
    return kind, _read(connection, length)


def _read(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            break
        data += part
    return data


class Archive:
    """dcmtk's storescp as an archive: each object it has is a file."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self._options = folder, options
        self.port = port or free_port()
        self.start()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def name(self) -> str:
        return f"PACS@{HOST}:{self.port}"

    def start(self) -> None:
        words = [_STORESCP, "-aet", "PACS", "-od", self.folder, *self._options, str(self.port)]
        self._process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        wait_until(self._answers, what="the archive listens")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def objects(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    def count(self) -> int:
        return len(self.objects())

    def _answers(self) -> bool:
        with suppress(ConnectionRefusedError), socket.create_connection((HOST, self.port)):
            return True
        return False


def free_port() -> int:
    """Return a port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
