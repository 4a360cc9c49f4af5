"""What is sent of a result, and when it is repeated or given up; the archives are dcmtk's."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from bonefx_dicom.sender.archive import Outcome, judge
from bonefx_dicom.sender.destination import Destination
from bonefx_dicom.sender.progress import MAX_WAIT_S, NOT_SENT, PAUSE_S
from bonefx_edge.errors import UsageError
from bonefx_edge.watch.delivery import SERVICE_PID
from bonefx_edge.watch.results import result_record
from dicom_node import PROGRAM, Archive, data_set_of, read_pdu
from example_findings import ANSWERED, REFUSED
from study_films import NAMES, demo_pixels, film_file

COMPREHENSIVE_3D, COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.33"
REPORT = ("--dicom-object", "sr")
PEM = Path(__file__).parents[1] / "support" / "localhost.pem"


class Site:
    """A watched folder, results, and the messages about them."""

    def __init__(self, root: Path) -> None:
        self.films, self.out = root / "films", root / "out"
        for folder in (self.films, self.out):
            folder.mkdir()
        self._sequence = 0

    def result(self, data: bytes, *, path="film.dcm", at=1_800_000_000.0, finding=ANSWERED):
        """Write film and result; return the message."""
        (self.films / path).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        record = result_record(
            finding.to_dict() | {"sha256": sha256, "path": path},
            received=at, classified_at=at, predictor="toy",
        )  # fmt: skip
        (self.out / f"{sha256}.json").write_text(json.dumps(record))
        self._sequence += 1
        return {"sha256": sha256, "sequence": self._sequence, "current": True,
                "classified_at": record["classified_at"]}  # fmt: skip

    def send(self, message, *archives: Archive, films=(), options=REPORT, env=None):
        to = [word for each in archives for word in ("--to", getattr(each, "name", each))]
        films = [word for each in (self.films, *films) for word in ("--films", str(each))]
        return subprocess.run(
            [*PROGRAM, "send", str(self.out), *films, *to, *options],
            input=json.dumps(message), capture_output=True, text=True, check=False, timeout=60,
            env=os.environ | (env or {}),
        )  # fmt: skip

    def not_sent(self) -> list[dict]:
        path = self.out / NOT_SENT
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(name="site")
def _site(tmp_path):
    return Site(tmp_path)


@pytest.fixture(name="archive")
def _archive(tmp_path):
    with Archive(tmp_path / "archive") as archive:
        yield archive


def test_the_report_of_a_result_arrives_in_the_study_of_its_film(site, archive):
    name = NAMES["ISO_IR 13"]
    data = film_file(charset="ISO_IR 13", name=name)
    assert site.send(site.result(data), archive).returncode == 0
    (path,) = archive.objects()
    report, film = pydicom.dcmread(path), pydicom.dcmread(site.films / "film.dcm")
    assert report.SOPClassUID == COMPREHENSIVE_3D
    assert report.StudyInstanceUID == film.StudyInstanceUID
    assert name in path.read_bytes(), "the name is sent as the bytes of the film"
    assert list(site.out.glob("dicom-sent/*")) == []


def test_report_picture_and_regions_arrive_in_the_study_of_their_film(site, archive):
    message = site.result(film_file(demo_pixels()))
    kinds = ("--dicom-object", "sr", "--dicom-object", "sc", "--dicom-object", "gsps")
    for options, modalities in (((), ["OT", "SR"]), (kinds, ["OT", "PR", "SR"])):
        assert site.send(message, archive, options=options).returncode == 0
        found = [pydicom.dcmread(path) for path in archive.objects()]
        assert sorted(each.Modality for each in found) == modalities
        assert len({each.StudyInstanceUID for each in found}) == 1
    assert site.not_sent() == []


def test_a_message_that_comes_twice_changes_nothing(site, archive):
    message = site.result(film_file())
    for _ in (1, 2):
        assert site.send(message, archive).returncode == 0
        (path,) = archive.objects()
        first = data_set_of(path.read_bytes())
    assert data_set_of(archive.objects()[0].read_bytes()) == first


def test_a_refused_film_has_a_report_too(site, archive):
    assert site.send(site.result(film_file(), finding=REFUSED), archive).returncode == 0
    assert len(archive.objects()) == 1


def test_a_film_that_is_no_dicom_is_done_without_an_object(site, archive):
    assert site.send(site.result(b"no DICOM", path="film.png"), archive).returncode == 0
    assert archive.objects() == []
    assert site.not_sent() == []


def test_a_result_that_was_replaced_is_not_sent(site, archive):
    message = site.result(film_file()) | {"current": False}
    assert site.send(message, archive).returncode == 0
    assert archive.objects() == []


def test_a_new_result_of_a_film_refers_to_the_one_before(site, archive):
    first = site.result(film_file())
    assert site.send(first, archive).returncode == 0
    (older,) = archive.objects()
    second = site.result(film_file(), at=1_800_000_600.0)
    for _ in (1, 2):  # a repeated message gives the same report
        assert site.send(second, archive).returncode == 0
    (newer,) = set(archive.objects()) - {older}
    study = pydicom.dcmread(newer).PredecessorDocumentsSequence[0]
    named = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == pydicom.dcmread(older).SOPInstanceUID


def test_a_film_that_was_moved_by_the_service_is_found(site, archive, tmp_path):
    message = site.result(film_file())
    done = tmp_path / "done"
    done.mkdir()
    (site.films / "film.dcm").rename(done / f"film.{message['sha256'][:16]}.dcm")
    assert site.send(message, archive, films=[done]).returncode == 0
    assert len(archive.objects()) == 1


def test_a_film_that_is_gone_stands_in_the_list(site, archive):
    message = site.result(film_file())
    (site.films / "film.dcm").rename(site.films / "renamed.dcm")
    assert site.send(message, archive).returncode == 0
    (line,) = site.not_sent()
    assert line["sha256"] == message["sha256"]
    assert "was moved, changed or deleted" in line["cause"]


def test_a_film_on_a_disk_that_is_away_is_waited_for_a_day(site, archive):
    """A mount point without its disk is empty."""
    message = site.result(film_file())
    film = site.films / "film.dcm"
    away = film.rename(site.out.parent / "away.dcm")
    assert site.send(message, archive).returncode == 1
    assert site.not_sent() == []
    away.rename(film)
    assert site.send(message, archive).returncode == 0
    assert len(archive.objects()) == 1
    assert list(site.out.glob("dicom-sent/*")) == []
    film.unlink()
    later = site.result(film_file(), at=1_800_000_600.0)
    film.unlink()
    assert site.send(later, archive).returncode == 1
    make_old(site, "*-film")
    assert site.send(later, archive).returncode == 0
    assert len(site.not_sent()) == 1


def test_a_film_that_was_replaced_is_waited_for_until_the_service_knows(site, archive):
    """The service has not seen yet that the file has another content: no person must be asked."""
    message = site.result(film_file())
    (site.films / "film.dcm").write_bytes(film_file(demo_pixels()))
    assert site.send(message, archive).returncode == 1
    assert site.not_sent() == []
    assert site.send(message | {"current": False}, archive).returncode == 0
    assert archive.objects() == site.not_sent() == []
    assert list(site.out.glob("dicom-sent/*")) == []


def make_old(site, pattern):
    """Let the marks of these names be more than a day old."""
    (mark,) = site.out.glob(f"dicom-sent/{pattern}")
    old = mark.stat().st_mtime - MAX_WAIT_S - 1
    os.utime(mark, (old, old))


def test_nothing_is_given_up_or_written_while_the_disk_of_films_and_results_is_away(site, archive):
    message = site.result(film_file())
    for folder in (site.films, site.out):
        for path in folder.iterdir():
            path.unlink()
    (site.films / "other.dcm").write_bytes(b"below the mount point")
    assert site.send(message, archive).returncode == 1
    assert list(site.out.iterdir()) == []


def test_marks_of_an_older_journal_do_not_hide_a_result(site, archive, tmp_path):
    """After a loss of the journal the numbers of messages begin again."""
    with Archive(tmp_path / "second") as second:
        second.stop()
        assert site.send(site.result(film_file()), archive, second).returncode == 1
    new = site.result(film_file(demo_pixels())) | {"sequence": 1}
    before = len(archive.objects())
    assert site.send(new, archive).returncode == 0
    assert len(archive.objects()) == before + 1


def test_an_archive_that_is_down_gets_the_report_later_and_the_others_get_it_once(
    site, archive, tmp_path
):
    message = site.result(film_file())
    with Archive(tmp_path / "second") as second:
        second.stop()
        found = site.send(message, archive, second)
        assert found.returncode == 1
        assert second.name in found.stderr
        (path,) = archive.objects()
        path.unlink()  # a second copy would be seen
        assert site.send(message, archive, second).returncode == 1  # the pause after a failure
        second.start()
        for mark in site.out.glob("dicom-sent/paused-*"):
            mark.unlink()
        assert site.send(message, archive, second).returncode == 0
        assert len(second.objects()) == 1
    assert archive.objects() == []
    assert list(site.out.glob("dicom-sent/*")) == []


def test_the_list_of_results_not_sent_names_only_archives_that_lack_them(site, archive, tmp_path):
    message = site.result(film_file())
    with Archive(tmp_path / "second") as second:
        second.stop()
        assert site.send(message, archive, second).returncode == 1
        (site.films / "film.dcm").rename(site.films / "renamed.dcm")
        for mark in site.out.glob("dicom-sent/paused-*"):
            mark.unlink()
        assert site.send(message, archive, second).returncode == 0
    assert [line["to"] for line in site.not_sent()] == [second.name]


def test_an_archive_that_is_down_is_left_alone_without_loading_pydicom(site):
    message = site.result(film_file())
    archive = "PACS@127.0.0.1:1"
    assert site.send(message, archive).returncode == 1
    code = (
        "import sys; sys.stdin.reconfigure(); from bonefx_dicom.cli import app;"
        f"app({['send', str(site.out), '--films', str(site.films), '--to', archive]!r},"
        " standalone_mode=False); assert 'pydicom' not in sys.modules"
    )
    done = subprocess.run(
        [PROGRAM[0], "-c", code], input=json.dumps(message), text=True, capture_output=True,
        check=False,
    )  # fmt: skip
    assert "AssertionError" not in done.stderr
    assert PAUSE_S < 30


def test_a_sender_whose_service_is_killed_ends_at_once(site):
    """It could otherwise send a content after the service that follows has sent its successor."""
    message = site.result(film_file())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        archive = f"PACS@127.0.0.1:{silent.getsockname()[1]}"
        words = [*PROGRAM, "send", site.out, "--films", site.films, "--to", archive, *REPORT]
        service = [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])"]
        with subprocess.Popen([*service, *map(str, words)], stdin=subprocess.PIPE) as process:
            process.stdin.write(json.dumps(message).encode())
            process.stdin.close()
            connection, _ = silent.accept()
            with connection:
                assert read_pdu(connection)[0] == 1, "it asks for an association"
                process.kill()
                assert read_pdu(connection) == (0, b""), "no abort: it did not wait for an answer"


def test_a_sender_that_starts_after_the_end_of_its_service_sends_nothing(site, archive):
    """No signal comes then; the service may even be waited for by nobody."""
    message = site.result(film_file())
    with subprocess.Popen(["/bin/true"]) as service:
        os.waitid(os.P_PID, service.pid, os.WEXITED | os.WNOWAIT)
        ended = {SERVICE_PID: str(service.pid)}
        assert site.send(message, archive, env=ended).returncode == 1
    assert site.send(message, archive, env=ended).returncode == 1
    assert archive.objects() == []
    running = {SERVICE_PID: str(os.getpid())}
    assert site.send(message, archive, env=running).returncode == 0
    assert len(archive.objects()) == 1


def test_an_association_that_breaks_is_repeated(site, tmp_path):
    with Archive(tmp_path / "archive", "--abort-after") as archive:
        assert site.send(site.result(film_file()), archive).returncode == 1


def test_an_archive_that_takes_no_3d_report_gets_the_older_kind(site, tmp_path):
    profile = tmp_path / "old.cfg"
    profile.write_text(
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LittleEndianExplicit\n"
        "[[PresentationContexts]]\n[Old]\n"
        f"PresentationContext1 = {COMPREHENSIVE}\\Plain\n"
        "PresentationContext2 = VerificationSOPClass\\Plain\n"
        "[[Profiles]]\n[Old]\nPresentationContexts = Old\n"
    )
    with Archive(tmp_path / "archive", "-xf", str(profile), "Old") as archive:
        assert site.send(site.result(film_file()), archive).returncode == 0
        (path,) = archive.objects()
        assert pydicom.dcmread(path).SOPClassUID == COMPREHENSIVE


def test_an_archive_that_takes_no_report_at_all_stands_in_the_list(site, tmp_path):
    profile = tmp_path / "echo.cfg"
    profile.write_text(
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LittleEndianExplicit\n"
        "[[PresentationContexts]]\n[Echo]\n"
        "PresentationContext1 = VerificationSOPClass\\Plain\n"
        "PresentationContext2 = SecondaryCaptureImageStorage\\Plain\n"
        "[[Profiles]]\n[Echo]\nPresentationContexts = Echo\n"
    )
    with Archive(tmp_path / "archive", "-xf", str(profile), "Echo") as archive:
        assert site.send(site.result(film_file()), archive).returncode == 0
        assert "no presentation context" in site.not_sent()[0]["cause"]


def test_an_archive_that_takes_no_class_at_all_is_tried_for_a_day(site, tmp_path):
    profile = tmp_path / "echo.cfg"
    profile.write_text(
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LittleEndianExplicit\n"
        "[[PresentationContexts]]\n[Echo]\nPresentationContext1 = VerificationSOPClass\\Plain\n"
        "[[Profiles]]\n[Echo]\nPresentationContexts = Echo\n"
    )
    message, folder = site.result(film_file()), tmp_path / "archive"
    with Archive(folder, "-xf", str(profile), "Echo") as archive:
        port = archive.port
        assert site.send(message, archive).returncode == 1
        assert site.not_sent() == []
        make_old(site, "unaccepted-*")
        make_old(site, "paused-*")
        assert site.send(message, archive).returncode == 0
        (line,) = site.not_sent()
        assert line["to"] == archive.name
        assert "none of the SOP classes" in line["cause"]
    with Archive(folder, port=port) as archive:
        assert site.send(message, archive).returncode == 0
        assert len(archive.objects()) == 1
    assert list(site.out.glob("dicom-sent/*")) == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.STORED),
        (0x0111, Outcome.STORED),
        (0xB000, Outcome.STORED),
        (0xB007, Outcome.STORED),
        (0xA700, Outcome.RETRY),
        (0x0110, Outcome.RETRY),
        (0xA900, Outcome.PERMANENT),
        (0xC000, Outcome.PERMANENT),
        (0xCFFF, Outcome.PERMANENT),
        (0x0122, Outcome.PERMANENT),
    ],
)
def test_a_status_says_whether_to_repeat(status, outcome):
    assert judge(status).outcome is outcome


@pytest.mark.parametrize("text", ["PACS", "PACS@host", "PACS@host:0", "PACS@host:99999", "@h:1"])
def test_a_destination_that_is_written_otherwise_is_explained(text):
    with pytest.raises(UsageError, match="--to: expected"):
        Destination.parse(text)


@pytest.mark.parametrize("text", ["PACS@192.0.2.1:104", "MY PACS@pacs.example:11112", "P@[::1]:4"])
def test_a_destination_is_written_as_it_was_read(text):
    assert str(Destination.parse(text)) == text


def test_what_is_no_message_of_the_service_is_explained(site, archive):
    found = site.send({"state": "fracture"}, archive)
    assert found.returncode == 2
    assert "expected a message of the service" in found.stderr


def test_reports_go_over_tls_to_an_archive_whose_certificate_is_known(site, tmp_path):
    words = ("+tls", str(PEM), str(PEM), "+cf", str(PEM))
    with Archive(tmp_path / "archive", *words) as archive:
        files = ["--tls-ca", str(PEM), "--tls-cert", str(PEM), "--tls-key", str(PEM)]
        to = archive.name.replace("127.0.0.1", "localhost")
        assert site.send(site.result(film_file()), to, options=[*REPORT, *files]).returncode == 0
        assert len(archive.objects()) == 1
