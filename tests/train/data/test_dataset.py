import shutil

import pytest
from bonefx_edge.errors import UsageError
from bonefx_train.data.dataset import check_unchanged, load_dataset, read_split_csv, split_csv
from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError


def splits_of(dataset):
    return {sample.key: sample.split for sample in dataset.samples}


def test_two_class_folders_are_divided_and_keep_their_labels(tmp_path, write_folders):
    dataset = load_dataset(write_folders(tmp_path, ["STABLE", "broken"], images=20), seed=1)
    assert len(dataset.samples) == 40
    assert all(
        (sample.label is Label.FRACTURED) == sample.key.startswith("broken/")
        for sample in dataset.samples
    )
    assert [len(dataset.of(split)) for split in ("train", "tune", "test")] == [28, 6, 6]
    assert any("'STABLE' -> 1 not_fractured" in note for note in dataset.notes)
    assert not dataset.stated_splits


def test_the_same_seed_divides_alike_and_another_differently(tmp_path, write_folders):
    write_folders(tmp_path, ["stable", "broken"], images=20)
    one = splits_of(load_dataset(tmp_path, seed=1))
    assert one == splits_of(load_dataset(tmp_path, seed=1))
    assert one != splits_of(load_dataset(tmp_path, seed=2))


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Tune", "dev"])
def test_given_split_folders_are_kept_whatever_tune_is_called(tmp_path, write_folders, name):
    folders = [f"{split}/{c}" for split in ("train", name, "TEST") for c in ("normal", "fractured")]
    dataset = load_dataset(write_folders(tmp_path, folders, images=3), seed=1)
    assert {sample.key.split("/")[0]: sample.split for sample in dataset.samples} == {
        "train": "train",
        name: "tune",
        "TEST": "test",
    }


def test_tune_is_carved_out_of_train_and_test_is_left_alone(tmp_path, write_folders):
    folders = [f"{split}/{c}" for split in ("train", "test") for c in ("stable", "broken")]
    dataset = load_dataset(write_folders(tmp_path, folders, images=12), seed=1)
    assert {s.split for s in dataset.samples if s.key.startswith("test/")} == {"test"}
    assert {s.split for s in dataset.samples if s.key.startswith("train/")} == {"train", "tune"}
    assert {s.label for s in dataset.of("tune")} == set(Label)
    assert dataset.stated_splits == {"train", "test"}


def test_rotated_copies_across_given_splits_are_refused_by_name(
    tmp_path, write_folders, write_image
):
    folders = [f"{split}/{c}" for split in ("train", "test") for c in ("stable", "broken")]
    write_folders(tmp_path, folders, images=4)
    write_image(tmp_path / "train/broken/82.png", seed=9001)
    write_image(tmp_path / "test/broken/82-rotated2-rotated3.png", seed=9002)
    with pytest.raises(DataError, match=r"82\.png \(t") as caught:
        load_dataset(tmp_path, seed=1)
    assert "test/broken/82-rotated2-rotated3.png (test)" in str(caught.value)
    assert "remove the split" in str(caught.value)


def test_identical_files_across_given_splits_are_refused_whatever_their_names(
    tmp_path, write_folders
):
    folders = [f"{split}/{c}" for split in ("train", "test") for c in ("stable", "broken")]
    write_folders(tmp_path, folders, images=4)
    shutil.copy(tmp_path / "train/stable/tr0.png", tmp_path / "test/stable/other name.png")
    with pytest.raises(DataError, match="two sides"):
        load_dataset(tmp_path, seed=1)


def test_plain_numbering_that_restarts_in_each_split_is_no_leak(tmp_path, write_image):
    for n, split in enumerate(("train", "tune", "test")):
        write_image(tmp_path / split / "broken" / "1.png", seed=n, gray=150)
        write_image(tmp_path / split / "stable" / "1.png", seed=n, gray=80)
    assert len(load_dataset(tmp_path, seed=1).samples) == 6


def test_rotated_copies_and_identical_files_stay_on_one_side_of_our_split(
    tmp_path, write_folders, write_image
):
    write_folders(tmp_path, ["stable", "broken"], images=10)
    for turn in range(4):
        write_image(tmp_path / f"broken/7-rotated{turn}.png", seed=500 + turn, gray=150)
    shutil.copy(tmp_path / "broken/7-rotated0.png", tmp_path / "broken/copy.png")
    dataset = load_dataset(tmp_path, seed=3)
    assert len({s.split for s in dataset.samples if "/7-" in s.key or "copy" in s.key}) == 1


def test_identical_files_with_both_labels_are_refused(tmp_path, write_folders):
    write_folders(tmp_path, ["stable", "broken"], images=10)
    shutil.copy(tmp_path / "broken/br0.png", tmp_path / "stable/br0.png")
    with pytest.raises(DataError, match=r"one label per image.*broken/br0\.png"):
        load_dataset(tmp_path, seed=1)


def test_folder_junk_is_skipped_and_counted(tmp_path, write_folders):
    write_folders(tmp_path, ["stable", "broken"], images=10)
    (tmp_path / "stable/Thumbs.db").write_bytes(b"x")
    (tmp_path / "broken/.DS_Store").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".git").mkdir()
    dataset = load_dataset(tmp_path, seed=1)
    assert len(dataset.samples) == 20
    assert "skipped as folder junk: 1 .DS_Store, 1 Thumbs.db" in dataset.notes


def test_files_outside_class_folders_are_counted_not_passed_over_in_silence(
    tmp_path, write_folders, write_image
):
    folders = [f"{split}/{c}" for split in ("train", "test") for c in ("stable", "broken")]
    write_folders(tmp_path, folders, images=6)
    write_image(tmp_path / "train/loose.png", seed=1)
    write_image(tmp_path / "loose.png", seed=2)
    (tmp_path / "train/Thumbs.db").write_bytes(b"x")
    dataset = load_dataset(tmp_path, seed=1)
    assert len(dataset.samples) == 24
    assert "not used, outside class folders: loose.png, train/loose.png" in dataset.notes


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["stable", "elbow"], "rename it"),
        (["stable", "0"], "ambiguous"),
        (["train/stable", "broken"], "side by side"),
        (["stable"], "both classes"),
    ],
    ids=["unknown class", "ambiguous class", "splits beside classes", "one class only"],
)
def test_folders_that_cannot_be_understood_are_refused(tmp_path, write_folders, folders, message):
    write_folders(tmp_path, folders, images=6)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path, seed=1)


def test_an_empty_or_absent_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="neither"):
        load_dataset(tmp_path, seed=1)
    with pytest.raises(UsageError, match="absent: no such folder or manifest CSV"):
        load_dataset(tmp_path / "absent", seed=1)


def write_manifest(tmp_path, write_image, header, rows):
    for n, row in enumerate(rows):
        write_image(tmp_path / row.split(",")[0], seed=n)
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return manifest


ROWS = [
    "a.png,fractured,g1,train,hand,1",
    "b.png,not_fractured,g1,train,hand+leg,0",
    "c.png,Broken,g2,val,leg,0",
    "d.png,normal,g2,val,,",
    "sub/e.png,positive,g3,test,hip,0",
    "f.png,negative,g4,test,hip,0",
]
HEADER = "path,label,group,split,body_part,hardware"


@pytest.mark.parametrize("point_at_folder", [False, True], ids=["csv", "folder"])
def test_a_manifest_decides_everything_it_says(tmp_path, write_image, point_at_folder):
    manifest = write_manifest(tmp_path, write_image, HEADER, ROWS)
    dataset = load_dataset(tmp_path if point_at_folder else manifest, seed=1)
    first, second, third, *_, last = dataset.samples
    assert dataset.root == tmp_path
    assert (first.label, first.group, first.split) == (Label.FRACTURED, "g1", "train")
    assert first.hardware
    assert first.path == tmp_path / "a.png"
    assert second.body_part == "hand+leg"
    assert third.split == "tune"
    assert last.label is Label.NOT_FRACTURED
    assert ("the folder holds manifest.csv: it decides" in dataset.notes) == point_at_folder


def test_a_manifest_without_optional_columns_is_divided(tmp_path, write_image):
    rows = [f"{i}.png,{'broken' if i % 3 == 0 else 'stable'}" for i in range(30)]
    dataset = load_dataset(write_manifest(tmp_path, write_image, "path,label", rows), seed=1)
    assert len({sample.group for sample in dataset.samples}) == 30
    assert {sample.split for sample in dataset.samples} == {"train", "tune", "test"}


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("file,label", ["a.png,broken"], "add .*path"),
        ("path,label", [], "0 rows"),
        ("path,label", ["a.png,broken", "a.png,broken"], "twice: a.png"),
        (HEADER, [*ROWS[:5], "f.png,normal,g1,test,,"], "two sides"),
        (HEADER, [*ROWS[:5], "f.png,normal,g9,,,"], "a split for every image or for none"),
        (HEADER, [*ROWS[:5], "f.png,normal,g9,holdout,,"], "line 7.*holdout"),
        (HEADER, [*ROWS[:5], "f.png,gebrochen,g9,test,,"], "line 7.*'gebrochen'"),
        (HEADER, [*ROWS[:5], "f.png,normal,g9,test,,maybe"], "hardware 0 or 1"),
    ],
    ids=[
        "column",
        "empty",
        "twice",
        "leak",
        "half a split",
        "odd split",
        "odd label",
        "odd hardware",
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    tmp_path, write_image, header, rows, message
):
    with pytest.raises(DataError, match=message):
        load_dataset(write_manifest(tmp_path, write_image, header, rows), seed=1)


def test_a_manifest_that_lists_absent_or_outside_images_is_refused(tmp_path, write_image):
    manifest = write_manifest(tmp_path, write_image, HEADER, ROWS)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"1 are not there, such as a\.png"):
        load_dataset(manifest, seed=1)
    manifest.write_text("path,label\n../a.png,broken\n", "utf-8")
    with pytest.raises(DataError, match="below the CSV's folder"):
        load_dataset(manifest, seed=1)


def test_the_split_file_gives_the_images_back_on_another_data_root(tmp_path, write_folders):
    dataset = load_dataset(write_folders(tmp_path, ["stable", "broken"], images=10), seed=1)
    text = split_csv(dataset.samples)
    assert read_split_csv(text, root=tmp_path) == dataset.samples
    assert read_split_csv(text, root=tmp_path / "x")[0].path == tmp_path / "x" / (
        dataset.samples[0].key
    )
    assert str(tmp_path) not in text


def test_a_image_that_changed_since_the_fit_is_named(tmp_path, write_folders, write_image):
    dataset = load_dataset(write_folders(tmp_path, ["stable", "broken"], images=10), seed=1)
    check_unchanged(dataset.samples)
    write_image(tmp_path / "broken/br3.png", seed=77)
    with pytest.raises(DataError, match=r"1 have other bytes now, such as broken/br3\.png"):
        check_unchanged(dataset.samples)


def test_fracatlas_is_taken_as_its_manifest_says(data_root):
    dataset = load_dataset(data_root / "fracatlas", seed=1)
    counts = {
        split: sum(sample.label is Label.FRACTURED for sample in dataset.of(split))
        for split in ("train", "tune", "test")
    }
    assert counts == {"train": 472, "tune": 104, "test": 105}
    assert len({sample.group for sample in dataset.samples}) == 1149


def test_a_folder_inside_class_folders_is_a_patient_and_is_never_cut(tmp_path, write_folders):
    patients = [f"p{number}" for number in range(15)]
    folders = [f"{c}/{patient}" for c in ("stable", "broken") for patient in patients]
    dataset = load_dataset(write_folders(tmp_path, folders, images=2), seed=1)
    splits = {(s.key.split("/")[1], s.split) for s in dataset.samples}
    assert len(splits) == len(patients)


def test_a_patient_folder_on_two_sides_of_given_splits_is_refused(tmp_path, write_folders):
    folders = [f"{split}/{c}/p1" for split in ("train", "test") for c in ("stable", "broken")]
    with pytest.raises(DataError, match="p1"):
        load_dataset(write_folders(tmp_path, folders, images=4), seed=1)
