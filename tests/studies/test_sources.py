"""The study of answers by source: what is counted, and which films are compared."""

import csv

import cv2
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.decision import State
from bonefx_train.studies.sources import Answered, Source, area, classify, read_rows, summarize
from toy import film, toy_path


def write_set(folder, *, grays):
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "split"])
        for number, (gray, label, split) in enumerate(grays):
            cv2.imwrite(str(folder / f"{number}.png"), film(gray))
            table.writerow([f"{number}.png", label, split])


def test_the_films_of_a_split_are_answered_as_on_the_device(tmp_path) -> None:
    grays = [(60, "fractured", "test"), (200, "not_fractured", "test"), (60, "fractured", "train")]
    write_set(tmp_path / "set", grays=grays)
    source = Source("a set", "set/manifest.csv", "test")
    found = list(classify(tmp_path, source, Classifier.load(toy_path("tiled-float32"))))
    assert [(each.label, each.state) for each in found] == [
        ("fractured", State.FRACTURE),
        ("not_fractured", State.NO_FRACTURE),
    ]
    assert [each.tiles for each in found] == [6, 6]  # 3 x 2 on a film of 200 x 160


def test_of_a_table_of_several_folders_each_is_a_source(tmp_path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na/1.png,x\nb/1.png,x\n")
    rows = read_rows(tmp_path, Source("b", "manifest.csv", folder="b"))
    assert [row["path"] for row in rows] == ["b/1.png"]


def answered(label: str, state: State, p: float | None, caution: str = "") -> Answered:
    return Answered("g", label, state, caution, p, tiles=20)


def test_states_and_cautions_are_counted_by_label() -> None:
    films = [
        answered("fractured", State.FRACTURE, 0.9),
        answered("fractured", State.UNCERTAIN, 0.9, "unfamiliar"),
        answered("fractured", State.REFUSED, None),
        answered("not_fractured", State.NO_FRACTURE, 0.1),
    ]
    fractured, normal = summarize("s", films)
    counts = ("n", "fracture", "uncertain", "no_fracture", "refused", "unfamiliar")
    assert [fractured[key] for key in counts] == [3, 1, 1, 0, 1, 1]
    assert [normal[key] for key in counts] == [1, 0, 0, 1, 0, 0]
    assert fractured["called_fracture"].value == pytest.approx(1 / 3)


def test_an_area_needs_both_labels_and_leaves_refused_films_out() -> None:
    normal = [answered("not_fractured", State.NO_FRACTURE, p) for p in (0.1, 0.2)]
    assert area("s", normal) is None
    films = [*normal, answered("fractured", State.FRACTURE, 0.15)]
    films += [answered("fractured", State.REFUSED, None)]
    found = area("s", films)
    assert found
    assert (found["auc"]["value"], found["auc"]["n"]) == (0.5, 3)
