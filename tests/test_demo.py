"""The films of `make demo`: few, small, attributed, and one of each kind of refusal."""

import runpy
from pathlib import Path

from bonefx_edge.decode.reader import decode

DEMO = Path(__file__).parent.parent / "demo"
RADIOGRAPHS = sorted((DEMO / "radiographs").glob("*/*.jpg"))
MOST_BYTES = 400_000


def test_the_demo_has_four_fractured_and_four_other_films_of_two_body_parts() -> None:
    kinds = [(path.parent.name, path.name.split("-")[0]) for path in RADIOGRAPHS]
    expected = [
        (label, part) for label in ("fractured", "not-fractured") for part in ["hand", "leg"]
    ]
    assert kinds == [kind for kind in expected for _ in range(2)]


def test_the_films_of_the_demo_are_whole_and_small() -> None:
    for path in RADIOGRAPHS:
        decode(path.read_bytes())
    assert sum(path.stat().st_size for path in RADIOGRAPHS) <= MOST_BYTES


def test_every_film_of_the_demo_is_attributed() -> None:
    text = (DEMO / "radiographs" / "README.md").read_text()
    for path in RADIOGRAPHS:
        row = f"| `{path.parent.name}/{path.name}` | {path.parent.name.replace('-', ' ')} | `IMG000"
        assert row + path.name.split("-")[1] in text
    for words in ("Abedeen", "10.1038/s41597-023-02432-4", "creativecommons.org/licenses/by/4.0"):
        assert words in text


def test_the_demo_replaces_the_films_of_an_earlier_run(tmp_path: Path) -> None:
    main = runpy.run_path(str(DEMO / "make_films.py"))["main"]
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "old.jpg").touch()
    main(tmp_path / "films")
    found = {str(path.relative_to(tmp_path / "films")) for path in tmp_path.rglob("*.*")}
    assert {"damaged/half-sent.jpg", "dicom/chest.dcm", "dicom/lower-leg.dcm"} <= found
    assert len([name for name in found if name.endswith((".jpg", ".dcm"))]) == 11
    assert "old.jpg" not in found
