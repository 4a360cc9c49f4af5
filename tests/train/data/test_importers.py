"""Public sets, on small imitations of the layouts that their authors publish."""

import csv
import hashlib
from pathlib import Path
from typing import Any

import pytest
from bonefx_edge.errors import BonefxError, UsageError
from bonefx_train.audit.command import parse_shares, split_data
from bonefx_train.cli import app
from bonefx_train.data.boxes import Box, read_boxes
from bonefx_train.data.dataset import find_samples, load_dataset
from bonefx_train.data.importers.command import import_set
from bonefx_train.data.importers.films import read_yolo
from bonefx_train.data.importers.public_sets import PUBLIC_SETS
from bonefx_train.errors import DataError
from typer.testing import CliRunner

ATLAS_COLUMNS = (
    "image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,"
    "frontal,lateral,oblique"
)
GRAZ_COLUMNS = (
    "filestem,patient_id,timehash,gender,age,laterality,projection,initial_exam,"
    "ao_classification,cast,diagnosis_uncertain,osteopenia,fracture_visible,metal,"
    "pixel_spacing,device_manufacturer"
)


def write_lines(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def write_fracatlas(root: Path, write_image: Any) -> Path:
    rows = [
        ("IMG0000019.jpg", "1,0,0,0,0,0,0,1,1,1,0,0"),
        ("IMG0000020.jpg", "1,0,0,0,0,1,0,0,0,0,1,0"),
        ("IMG0000021.jpg", "0,1,0,0,0,0,0,0,0,1,0,0"),
        ("IMG0000023.jpg", "1,0,0,1,1,0,0,0,0,1,0,0"),
        ("IMG0000024.jpg", "1,0,0,1,1,0,0,1,1,1,0,0"),
    ]
    write_lines(root / "dataset.csv", ATLAS_COLUMNS, *(f"{name},{rest}" for name, rest in rows))
    for seed, (name, rest) in enumerate(rows):
        is_fractured = rest.split(",")[7] == "1"
        folder = "Fractured" if is_fractured else "Non_fractured"
        write_image(root / "images" / folder / name, seed=seed)
        boxes = ["0 0.500000 0.4 0.2 0.1"] if is_fractured else []
        write_lines(root / "Annotations" / "YOLO" / f"{name[:-4]}.txt", *boxes)
    return root


def graz_row(stem: str, patient: str, **cells: str) -> str:
    names = GRAZ_COLUMNS.split(",")
    row = dict.fromkeys(names, "") | {"filestem": stem, "patient_id": patient} | cells
    return ",".join(row[name] for name in names)


def write_graz(root: Path, write_image: Any) -> Path:
    rows = [
        graz_row("0001_a_01_WRI-L1_M014", "1", fracture_visible="1", ao_classification="23r-M/2.1"),
        graz_row("0001_a_02_WRI-L2_M014", "1", fracture_visible="1.0", metal="1"),
        graz_row("0002_b_01_WRI-R1_F010", "2", cast="1"),
        graz_row("0003_c_01_WRI-R1_F010", "3", diagnosis_uncertain="1"),
        graz_row("0004_d_01_WRI-R1_F010", "4", ao_classification="23r-M/3.1"),
        graz_row("0005_e_01_WRI-R1_F010", "5"),
        graz_row("0006_f_01_WRI-R1_F010", "6"),
    ]
    write_lines(root / "dataset.csv", GRAZ_COLUMNS, *rows)
    for seed, row in enumerate(rows[:-1]):  # the image of the last is not there
        stem = row.split(",")[0]
        write_image(root / f"images_part{1 + seed % 4}" / f"{stem}.png", seed=seed)
        boxes = ["8 0.1 0.1 0.1 0.1"]  # text
        if stem.startswith(("0001_a_01", "0005")):
            boxes += ["3 0.99 0.5 0.1 0.2", "5 0.5 0.5 0.1 0.1"]
        write_lines(root / "folder_structure" / "yolov5" / "labels" / f"{stem}.txt", *boxes)
    return root


def write_mura(root: Path, write_image: Any) -> Path:
    studies = {
        "train_image_paths.csv": ["train/XR_SHOULDER/patient00001/study1_positive"],
        "valid_image_paths.csv": [
            "valid/XR_WRIST/patient11185/study1_negative",
            "valid/XR_HAND/patient11185/study2_negative",
        ],
    }
    for number, (name, folders) in enumerate(studies.items()):
        images = [f"MURA-v1.1/{folder}/image{i}.png" for folder in folders for i in (1, 2)]
        write_lines(root / name, *images)
        for seed, image in enumerate(images):
            write_image(root / image.partition("/")[2], seed=10 * number + seed)
    return root


def write_boneage(root: Path, write_image: Any) -> Path:
    write_lines(root / "boneage-training-dataset.csv", "id,boneage,male", "1377,180,False")
    inner = root / "boneage-training-dataset" / "boneage-training-dataset"  # as Kaggle unpacks it
    write_image(inner / "1377.png")
    return root


WRITERS = {
    "fracatlas": write_fracatlas,
    "grazpedwri": write_graz,
    "mura": write_mura,
    "rsna-boneage": write_boneage,
}


def run(name: str, source: Path, out: Path, *, copy: bool = False, abnormal: bool = False) -> Any:
    return import_set(name, source, out=out, copy=copy, abnormal_as_fractured=abnormal)


def read(out: Path) -> list[tuple[str, str, str, str, bool]]:
    samples, _, _ = find_samples(out)
    return [(s.path.stem, str(s.label), s.group, s.body_part, s.hardware) for s in samples]


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_fracatlas_has_labels_parts_metal_boxes_and_runs_as_groups(tmp_path, write_image) -> None:
    run("fracatlas", write_fracatlas(tmp_path / "FracAtlas", write_image), tmp_path / "data")
    assert read(tmp_path / "data") == [
        ("IMG0000019", "fractured", "fracatlas/IMG0000019", "hand", False),
        ("IMG0000020", "not_fractured", "fracatlas/IMG0000019", "hand", True),
        ("IMG0000021", "not_fractured", "fracatlas/IMG0000021", "leg", False),
        ("IMG0000023", "not_fractured", "fracatlas/IMG0000023", "hand+shoulder", False),
        ("IMG0000024", "fractured", "fracatlas/IMG0000023", "hand+shoulder", False),
    ]
    boxes = read_boxes(tmp_path / "data" / "boxes.csv")
    assert sorted(boxes) == [
        f"fracatlas/images/Fractured/IMG00000{number}.jpg" for number in (19, 24)
    ]
    assert boxes["fracatlas/images/Fractured/IMG0000019.jpg"] == (
        pytest.approx((0.4, 0.35, 0.6, 0.45)),
    )


def test_grazpedwri_keeps_sure_labels_only_and_takes_boxes_of_fractures(
    tmp_path, write_image
) -> None:
    found = run("grazpedwri", write_graz(tmp_path / "graz", write_image), tmp_path / "data")
    assert read(tmp_path / "data") == [
        ("0001_a_01_WRI-L1_M014", "fractured", "grazpedwri/1", "wrist", False),
        ("0001_a_02_WRI-L2_M014", "fractured", "grazpedwri/1", "wrist", True),
        ("0002_b_01_WRI-R1_F010", "not_fractured", "grazpedwri/2", "wrist", False),
    ]
    assert sorted(found.left_out.values()) == [1, 1, 1, 1]
    (boxes,) = read_boxes(tmp_path / "data" / "boxes.csv").values()
    assert boxes == (pytest.approx((0.94, 0.4, 1.0, 0.6)),)  # cut at the edge


def test_mura_gives_normal_films_only_since_abnormal_is_not_fractured(
    tmp_path, write_image
) -> None:
    found = run("mura", write_mura(tmp_path / "MURA-v1.1", write_image), tmp_path / "data")
    assert [row[1:4] for row in read(tmp_path / "data")] == [
        *[("not_fractured", "mura/patient11185", "wrist")] * 2,
        *[("not_fractured", "mura/patient11185", "hand")] * 2,
    ]
    assert dict(found.left_out) == {"abnormal, which need not be a fracture": 2}
    assert not (tmp_path / "data" / "boxes.csv").exists()


def test_mura_gives_abnormal_films_as_fractured_if_asked_and_says_what_that_means(
    tmp_path, write_image
) -> None:
    source = write_mura(tmp_path / "MURA-v1.1", write_image)
    run("mura", source, tmp_path / "data", abnormal=True)
    assert [row[1] for row in read(tmp_path / "data")].count("fractured") == 2
    assert "not fractures. Say so" in (tmp_path / "data" / "terms-mura.md").read_text()


def test_bone_age_is_taken_as_not_fractured_and_says_so(tmp_path, write_image) -> None:
    run("rsna-boneage", write_boneage(tmp_path / "age", write_image), tmp_path / "data")
    assert read(tmp_path / "data") == [
        ("1377", "not_fractured", "rsna-boneage/1377", "hand", False)
    ]
    terms = (tmp_path / "data" / "terms-rsna-boneage.md").read_text()
    assert "nobody read them for fractures" in terms


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_the_set_is_only_read_and_its_terms_stay_with_the_images(
    tmp_path, write_image, name, copy
) -> None:
    source = WRITERS[name](tmp_path / "set", write_image)
    before = digests(source)
    run(name, source, tmp_path / "data", copy=copy)
    assert digests(source) == before
    assert (tmp_path / "data" / name).is_symlink() is not copy
    terms = (tmp_path / "data" / f"terms-{name}.md").read_text()
    assert PUBLIC_SETS[name].licence in terms
    assert PUBLIC_SETS[name].citation in terms
    for sample in find_samples(tmp_path / "data")[0]:
        assert sample.path.resolve().is_relative_to(tmp_path / ("data" if copy else "set"))


def test_sets_are_joined_in_one_manifest_that_fit_can_divide(tmp_path, write_image) -> None:
    data = tmp_path / "data"
    run("rsna-boneage", write_boneage(tmp_path / "age", write_image), data)
    run("fracatlas", write_fracatlas(tmp_path / "atlas", write_image), data)
    graz = write_graz(tmp_path / "graz", write_image)
    run("grazpedwri", graz, data)
    with (data / "manifest.csv").open() as stream:
        sources = [row["source"] for row in csv.DictReader(stream)]
    assert sources == ["rsna-boneage", *["fracatlas"] * 5, *["grazpedwri"] * 3]
    assert len(read_boxes(data / "boxes.csv")) == 3
    with pytest.raises(UsageError, match="was imported before"):
        run("grazpedwri", graz, data)


def test_what_is_imported_can_be_fitted(tmp_path, write_image) -> None:
    rows = [graz_row(f"{n:04}_x", str(n), fracture_visible="1" * (n % 2)) for n in range(1, 25)]
    root = tmp_path / "graz"
    write_lines(root / "dataset.csv", GRAZ_COLUMNS, *rows)
    for number, row in enumerate(rows):
        stem = row.split(",")[0]
        write_image(root / "images" / f"{stem}.png", seed=number)
        write_lines(root / "yolov5" / "labels" / f"{stem}.txt")
    run("grazpedwri", root, tmp_path / "data")
    dataset = load_dataset(tmp_path / "data", seed=1)
    assert {sample.split for sample in dataset.samples} == {"train", "tune", "test"}
    out = tmp_path / "data" / "divided.csv"
    split_data(tmp_path / "data", out=out, seed=1, shares=parse_shares("0.7,0.15,0.15"))
    assert {s.key for s in find_samples(out)[0]} == {s.key for s in dataset.samples}


def test_identical_files_with_both_labels_are_left_out(tmp_path, write_image) -> None:
    source = write_fracatlas(tmp_path / "atlas", write_image)
    images = source / "images"
    copied = (images / "Fractured" / "IMG0000019.jpg").read_bytes()
    (images / "Non_fractured" / "IMG0000021.jpg").write_bytes(copied)
    found = run("fracatlas", source, tmp_path / "data")
    assert dict(found.left_out) == {"identical files with both labels": 2}
    assert [row[0] for row in read(tmp_path / "data")] == [
        f"IMG00000{number}" for number in (20, 23, 24)
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_another_folder_is_refused_with_what_was_expected(tmp_path, name) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="expected"):
        run(name, tmp_path / "set", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_what_cannot_be_meant_is_refused(tmp_path, write_image) -> None:
    source = write_boneage(tmp_path / "age", write_image)
    write_lines(tmp_path / "full" / "notes.txt")
    for arguments, words in [
        (("imagenet", source, tmp_path / "data"), "expected one of fracatlas"),
        (("mura", tmp_path / "absent", tmp_path / "data"), "download and unpack"),
        (("rsna-boneage", source, source / "data"), "stays as it is"),
        (("rsna-boneage", source, tmp_path / "full"), "new folder or one of an earlier import"),
    ]:
        with pytest.raises(UsageError, match=words):
            run(*arguments)
    with pytest.raises(UsageError, match="mura only"):
        run("rsna-boneage", source, tmp_path / "data", abnormal=True)


@pytest.mark.parametrize("line", ["3 0.5 0.5 0.1", "x 0.5 0.5 0.1 0.1", "3 1.5 0.5 0.1 0.1"])
def test_a_label_file_of_another_make_names_its_line(tmp_path, line) -> None:
    write_lines(tmp_path / "a.txt", "0 0.5 0.5 0.1 0.1", line)
    with pytest.raises(BonefxError, match=r"a\.txt, line 2: expected"):
        read_yolo(tmp_path / "a.txt", box_class=3)


def test_yolo_boxes_of_one_class_are_taken(tmp_path) -> None:
    write_lines(tmp_path / "a.txt", "3 0.5 0.5 0.5 0.25", "8 0.1 0.1 0.1 0.1", "")
    assert read_yolo(tmp_path / "a.txt", box_class=3) == (Box(0.25, 0.375, 0.75, 0.625),)


def test_the_command_says_what_it_found_and_what_comes_next(tmp_path, write_image) -> None:
    source = write_boneage(tmp_path / "age", write_image)
    arguments = ["import", "rsna-boneage", str(source), "--out", str(tmp_path / "data")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert f"Next: bonefx-train audit {tmp_path / 'data'}" in result.stderr
    assert CliRunner().invoke(app, arguments).exit_code == 2
