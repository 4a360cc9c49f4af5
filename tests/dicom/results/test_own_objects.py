"""Results of bonefx that come back are recognized, and nothing else is."""

import io
import subprocess
import sys

import pydicom
import pytest
from bonefx_dicom.results.own_objects import DEVICE_UID, is_own_file, is_own_object
from bonefx_edge.watch.intake import own_results
from bonefx_edge.watch.intake.own_results import OwnResults
from pydicom.uid import ImplicitVRLittleEndian
from study_films import film_file

from tests.dicom.results.conftest import FINDINGS
from tests.dicom.results.test_structured_report import report_of


def changed(data, change):
    """Return DICOM data after `change` of the data set."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    change(dataset)
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def set_implicit(dataset):
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def test_a_report_is_recognized_in_both_encodings_that_a_pacs_may_send(tmp_path) -> None:
    report = report_of(film_file())
    for data in (report.data, changed(report.data, set_implicit)):
        path = tmp_path / "object"
        path.write_bytes(data)
        assert is_own_file(path)


def another_maker(dataset):
    dataset.Manufacturer = "Maker"


def another_device(dataset):
    dataset.DeviceUID = "2.25.1"


@pytest.mark.parametrize("change", [another_maker, another_device])
def test_both_elements_must_be_those_of_bonefx(change) -> None:
    assert not is_own_object(changed(report_of(film_file()).data, change))


def test_a_film_that_names_bonefx_deeper_is_a_film() -> None:
    equipment = pydicom.Dataset()
    equipment.Manufacturer, equipment.DeviceUID = "bonefx", DEVICE_UID
    film = film_file(ContributingEquipmentSequence=[equipment])
    assert DEVICE_UID.encode() in film
    assert not is_own_object(film)


def test_damaged_data_and_what_cannot_be_read_are_not_recognized(tmp_path) -> None:
    own = report_of(film_file()).data
    at = own.index(b"\x18\0\x02\x10")
    for data in (b"", own[:140], own[:at], own[:200] + DEVICE_UID.encode() * 3):
        (tmp_path / "file").write_bytes(data)
        assert not is_own_file(tmp_path / "file")
    assert not is_own_file(tmp_path)
    assert not is_own_file(tmp_path / "absent")


def test_a_film_is_looked_at_without_pydicom(tmp_path) -> None:
    path = tmp_path / "film.dcm"
    path.write_bytes(film_file())
    code = (
        "import sys; from bonefx_dicom.results.own_objects import is_own_file;"
        "print(is_own_file(sys.argv[1]), 'pydicom' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert done.stdout.split() == [b"False", b"False", b"False"]


def test_the_folder_watch_gives_own_results_neither_result_nor_message(tmp_path) -> None:
    films, out = tmp_path / "in", tmp_path / "out"
    films.mkdir()
    (films / "film.dcm").write_bytes(film_file())
    for state, finding in FINDINGS.items():
        (films / f"{state}.dcm").write_bytes(report_of(film_file(), finding).data)
    messages = tmp_path / "messages"
    options = ["--out", str(out), "--once", "--settle", "0.1", "--on-result"]
    command = [*options, f"{sys.executable} -c \"open(r'{messages}','a').write('1')\""]
    program = [sys.executable, "-c", "from bonefx_edge.cli.classify import main; main()"]
    done = subprocess.run(
        [*program, "--watch", films, *command], capture_output=True, text=True, check=False
    )
    results = [path.name for path in out.rglob("*.json")]
    assert len(results) == 1, done.stderr
    assert messages.read_text() == "1"
    assert done.stderr.count("a DICOM result of bonefx is passed over") == len(FINDINGS)


def test_an_own_result_is_read_once_until_it_changes(tmp_path, monkeypatch) -> None:
    reads = []
    monkeypatch.setattr(own_results, "is_own_file", lambda path: reads.append(path) or True)
    own = OwnResults(b"/in")
    assert not own.has(b"a", (1, 2, 3))
    assert own.find(b"a", (1, 2, 3))
    assert own.has(b"a", (1, 2, 3))
    assert not own.has(b"a", (1, 2, 4))
    assert reads == [b"/in/a"]
    monkeypatch.setattr(own_results, "MAX_REMEMBERED", 2)
    own.find(b"b", (1, 2, 3))
    own.find(b"c", (1, 2, 3))
    assert [own.has(name, (1, 2, 3)) for name in (b"a", b"b", b"c")] == [False, True, True]
