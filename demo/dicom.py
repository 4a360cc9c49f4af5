"""Send two films as a modality does, and show their results in the archive.

    python demo/dicom.py FOLDER

Debian's dcmtk is the modality, Debian's orthanc the archive; both stay on this computer. The
modality sends each film to the archive and to bonefx. bonefx classifies it and stores report and
picture in its study. The pictures that the archive shows are saved. All programs end then. FOLDER
is made anew at each start; one that is not of the demo is refused.
"""

import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import cv2
import run_folder
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

RADIOGRAPHS = Path(__file__).with_name("radiographs")
FILMS = ("fractured/hand-1410.jpg", "not-fractured/leg-0042.jpg")
HOST = "127.0.0.1"
SERVICE = "from bonefx_edge.cli.classify import main; main()"
NODE = "from bonefx_dicom.cli import main; main()"
PROGRAMS = {"Orthanc": "orthanc", "storescu": "dcmtk"}
"""Program -> package of Debian."""
OBJECTS = 3
"""In a study at the end: film, report, picture."""
PATIENCE_S = 120.0


def find(program: str) -> str:
    """Return the path of a program of Debian; leave with the command that installs it."""
    found = shutil.which(program, path="/usr/bin:/usr/sbin:/usr/local/bin")
    if found is None:
        msg = f"expected the program {program}; run: sudo apt-get install {PROGRAMS[program]}"
        raise SystemExit(msg)
    return found


def make_film(source: Path, target: Path, number: int) -> str:
    """Write a JPEG film as digital X-ray image; return its Study Instance UID."""
    pixels = cv2.imread(str(source), cv2.IMREAD_GRAYSCALE)
    film = Dataset()
    root = f"1.2.826.0.1.3680043.8.498.2026.{number}"
    film.StudyInstanceUID, film.SeriesInstanceUID = f"{root}.1", f"{root}.2"
    film.SOPInstanceUID, film.SOPClassUID = f"{root}.3", DigitalXRayImageStorageForPresentation
    film.Modality, film.PresentationIntentType = "DX", "FOR PRESENTATION"
    film.PatientName, film.PatientID = f"Demo^Film {number}", f"DEMO-{number}"
    film.PatientBirthDate = film.PatientSex = film.ReferringPhysicianName = ""
    film.StudyDate, film.StudyTime = "20261129", "100000"
    film.StudyID = film.SeriesNumber = film.InstanceNumber = str(number)
    film.AccessionNumber = f"A{number}"
    film.BodyPartExamined = source.stem.split("-")[0].upper()
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.PresentationLUTShape, film.BurnedInAnnotation = "IDENTITY", "NO"
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit, film.PixelRepresentation = 7, 0
    film.WindowCenter, film.WindowWidth = 128, 256
    film.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    film["PixelData"].VR = "OW"
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.save_as(target, enforce_file_format=True)
    return film.StudyInstanceUID


def free_ports(number: int) -> list[int]:
    """Return ports on which nobody listens."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class Site:
    """Archive, listener and service; each writes a log into the folder."""

    def __init__(self, folder: Path, held: ExitStack) -> None:
        """Start the three; they end when `held` is closed."""
        self.folder, self._held = folder, held
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.archive_port, self.listener_port, self._web_port = free_ports(3)
        films, results = folder / "incoming", folder / "results"
        films.mkdir()
        self._start("archive", find("Orthanc"), str(self._archive_settings()))
        listen = (*self._python(NODE), "listen", str(films), "--allow", f"DX1@{HOST}")
        self._start("listener", *listen, "--port", str(self.listener_port), "--address", HOST)
        send = (*self._python(NODE), "send", str(results), "--films", str(films))
        send = (*send, "--to", f"PACS@{HOST}:{self.archive_port}")
        watch = ("--watch", str(films), "--out", str(results))
        self._start("service", *self._python(SERVICE), *watch, "--on-result", shlex.join(send))
        for port in (self.archive_port, self._web_port, self.listener_port):
            self.wait(lambda port=port: can_connect(port), what=f"port {port} is open")

    def wait(self, condition: Any, *, what: str) -> None:
        """Return when `condition()` is true; leave if a program ended, or it takes too long."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            ended = [name for name, each in self._processes.items() if each.poll() is not None]
            if ended or time.monotonic() > end:
                why = f"{ended[0]} ended" if ended else f"waited {PATIENCE_S:.0f} s in vain"
                msg = f"{why}; expected: {what}. See the logs in {self.folder}"
                raise SystemExit(msg)
            time.sleep(0.1)

    def send(self, film: Path) -> None:
        """Send a film to the archive and to bonefx, as a modality that has two destinations."""
        for title, port in (("PACS", self.archive_port), ("BONEFX", self.listener_port)):
            words = [find("storescu"), "-aet", "DX1", "-aec", title, HOST, str(port), str(film)]
            subprocess.run(words, check=True)

    def objects(self, study_uid: str) -> list[dict[str, Any]]:
        """Return what the archive has of a study."""
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": study_uid}}
        names = json.loads(self.ask("/tools/find", json.dumps(query).encode()))
        read = [json.loads(self.ask(f"/instances/{name}/simplified-tags")) for name in names]
        return [tags | {"id": name} for name, tags in zip(names, read, strict=True)]

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """Return an answer of the archive's web interface."""
        address = f"http://{HOST}:{self._web_port}{path}"
        request = urllib.request.Request(address, body, {"Accept": "image/png, */*"})
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            found: bytes = answer.read()
            return found

    def _start(self, name: str, *words: str) -> None:
        log = self._held.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(words, stdout=log, stderr=log)
        self._processes[name] = process
        self._held.callback(process.wait)
        self._held.callback(process.terminate)

    def _archive_settings(self) -> Path:
        storage = self.folder / "archive"
        storage.mkdir()
        path = self.folder / "archive.json"
        path.write_text(json.dumps({
            "Name": "archive of the demo", "StorageDirectory": str(storage),
            "IndexDirectory": str(storage), "DicomAet": "PACS", "DicomPort": self.archive_port,
            "HttpPort": self._web_port, "RemoteAccessAllowed": False, "Plugins": [],
            "AuthenticationEnabled": False,
        }))  # fmt: skip
        return path

    @staticmethod
    def _python(code: str) -> tuple[str, ...]:
        return (sys.executable, "-c", code)


def can_connect(port: int) -> bool:
    """Return whether somebody listens on a port."""
    with suppress(ConnectionRefusedError), socket.create_connection((HOST, port), timeout=5):
        return True
    return False


def show(site: Site, name: str, objects: list[dict[str, Any]]) -> None:
    """Print what the archive has, and save its own picture of the Secondary Capture."""
    for each in sorted(objects, key=lambda tags: tags["Modality"]):
        description = each.get("SeriesDescription", f"film {name}")
        print(f"  {each['Modality']}  {description}")
        if each["Modality"] == "OT":
            print(f"      {each['ImageComments']}")
            path = site.folder / f"{Path(name).stem}.png"
            path.write_bytes(site.ask(f"/instances/{each['id']}/preview"))
            print(f"      as the archive shows it: {path}")


def main(folder: Path) -> None:
    """Send the films, wait for their results, show them."""
    run_folder.make_anew(folder)
    with ExitStack() as held:
        site = Site(folder.resolve(), held)
        print(f"Archive PACS on port {site.archive_port}, BONEFX on port {site.listener_port}.")
        for number, name in enumerate(FILMS, start=1):
            film = site.folder / f"{Path(name).stem}.dcm"
            study_uid = make_film(RADIOGRAPHS / name, film, number)
            begin = time.monotonic()
            site.send(film)
            site.wait(
                lambda uid=study_uid: len(site.objects(uid)) == OBJECTS,
                what="film, report and picture are in the study",
            )
            took = time.monotonic() - begin
            print(f"\n{name} was sent; {took:.1f} s later its study has:", flush=True)
            show(site, name, site.objects(study_uid))
    print("\nDecision aid for research, not a diagnosis, not a medical device.")
    print(f"All programs have ended. Their logs, the films and the results: {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
