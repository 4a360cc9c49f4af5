"""The exported CSV: what the trainer reads, and no formula for a spreadsheet."""

import csv
import io
import os
from contextlib import suppress
from pathlib import PurePosixPath

import pytest
from bonefx_page.handlers.export import csv_text, path_cell
from bonefx_train.data.boxes import read_boxes
from bonefx_train.data.manifest_csv import read_manifest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FORMULA_STARTS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"  # the last four: their wide forms
NAMES = st.text(
    st.one_of(st.sampled_from("=+-@ ;,\"'\\\t\r\n.ab"), st.characters(blacklist_characters="/\0")),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in {".", ".."})


def as_listed(name: str) -> str | None:
    """Return a name as the journal does; None if no file can have it."""
    with suppress(UnicodeEncodeError):
        data = name.encode("utf-8", "surrogateescape")
        return os.fsdecode(data) if len(data) < 200 else None
    return None


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_the_trainer_reads_every_path_of_the_export_as_it_is(tmp_path, names) -> None:
    paths = {listed for name in names if (listed := as_listed(name))}
    cells = {path: cell for path in paths if (cell := path_cell(path)) is not None}
    for path in cells:
        (tmp_path / path).touch()
    manifest, boxes = tmp_path / "manifest.csv", tmp_path / "boxes.csv"
    manifest.write_text(csv_text(("path", "label"), [(c, "fractured") for c in cells.values()]))
    boxes.write_text(
        csv_text(
            ("path", "x_center", "y_center", "width", "height"),
            [(c, "0.5", "0.5", "0.1", "0.1") for c in cells.values()],
        )
    )
    if cells:
        samples, _ = read_manifest(manifest)
        assert {sample.key for sample in samples} == set(cells)
    assert set(read_boxes(boxes)) == set(cells)
    rows = list(csv.reader(io.StringIO(manifest.read_text())))
    assert not [cell for row in rows for cell in row if cell[:1] in FORMULA_STARTS]
    for path in cells:
        (tmp_path / path).unlink()


@pytest.mark.parametrize("name", ["=cmd.png", "a/-1.png", "+1.png", "@x.png", " b.png", "1;=2.png"])
def test_usual_and_dangerous_names_are_exported(name) -> None:
    cell = path_cell(name)
    assert cell is not None
    assert PurePosixPath(cell) == PurePosixPath(name)
