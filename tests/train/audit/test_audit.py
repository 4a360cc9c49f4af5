"""Each planted defect is found, and nothing is found where none was planted."""

import json
import shutil

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.radiograph import FileFormat
from bonefx_edge.errors import UsageError
from bonefx_train.audit.audit import run_audit
from bonefx_train.audit.baseline import measure_baselines
from bonefx_train.audit.command import audit_data
from bonefx_train.audit.image_stats import ImageStats
from bonefx_train.audit.report import to_markdown
from bonefx_train.cli import app
from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError
from image_files import gray_film, jpeg_file
from typer.testing import CliRunner


def limb(seed, *, height=150, width=120):
    """Return an image of its own: blurred structures of several sizes, uint8."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width))
    for size in (2, 5, 12):
        image += cv2.GaussianBlur(rng.normal(0, size, (height, width)), (0, 0), size)
    return np.interp(image, (image.min(), image.max()), (15, 240)).astype(np.uint8)


def turned(image, degrees):
    height, width = image.shape
    to = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), degrees, 1)
    return cv2.warpAffine(image, to, (width, height))


def write(path, image, *, quality=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg_file(image, quality=quality))
    return path


SIDES = tuple(f"{split}/{name}" for split in ("train", "test") for name in ("broken", "stable"))


@pytest.fixture(name="images")
def _images(tmp_path):
    """Return a folder of class folders below train and test, eight different images in each."""
    for number, side in enumerate(SIDES):
        for i in range(8):
            write(
                tmp_path / "images" / side / f"{side[:2]}{number}-{i}.jpg", limb(100 * number + i)
            )
    return tmp_path / "images"


@pytest.fixture(name="cli")
def _cli():
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def audit(images):
    return run_audit(images)


def test_a_clean_set_is_clean_and_ends_with_0(images, cli):
    found = audit(images)
    assert found.is_clean
    assert found.clusters == found.families == found.refused == found.junk == found.unused == ()
    told = cli("audit", images)
    assert told.exit_code == 0, told.output
    assert "No leak across splits" in told.stdout
    assert "## Copies: none" in told.stdout


ALTERED = {
    "turned 90": lambda image: np.rot90(image),
    "turned 180": lambda image: np.rot90(image, 2),
    "mirrored": lambda image: image[:, ::-1],
    "mirrored and turned 90": lambda image: np.rot90(image[:, ::-1]),
    "turned 7": lambda image: turned(image, 7),
    "turned 33": lambda image: turned(image, 33),
    "darker": lambda image: (255 * (image / 255) ** 1.4).astype(np.uint8),
    "smaller": lambda image: cv2.resize(image, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA),
    "squashed": lambda image: cv2.resize(image, (96, 96), interpolation=cv2.INTER_AREA),
    "black bars": lambda image: np.pad(image, ((0, 0), (60, 60))),
    "negative": lambda image: 255 - image,
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_an_altered_copy_across_splits_is_a_leak_whatever_its_name(images, alter):
    write(images / "test/broken/other.jpg", np.ascontiguousarray(alter(limb(3))), quality=60)
    (leak,) = audit(images).leaks
    assert leak.because == "copies"
    assert leak.keys == ("test/broken/other.jpg", "train/broken/tr0-3.jpg")


def test_how_a_copy_was_altered_is_told(images):
    write(images / "train/broken/other.jpg", np.ascontiguousarray(turned(limb(3), 33)[:, ::-1]))
    found_all = audit(images)
    ((copy,),) = (cluster.copies for cluster in found_all.clusters)
    found = copy.agreement
    assert found_all.is_clean  # within one split and label a copy does no harm
    assert found.mirrored
    assert not found.negative
    assert found.correlation > 0.88


def test_the_turn_of_a_copy_is_told_in_degrees(images):
    write(images / "train/broken/zz.jpg", turned(limb(3), 33))
    ((copy,),) = (cluster.copies for cluster in audit(images).clusters)
    assert (copy.first, copy.second) == ("train/broken/tr0-3.jpg", "train/broken/zz.jpg")
    assert copy.agreement.degrees == pytest.approx(33, abs=1)
    assert not copy.agreement.mirrored


def test_identical_bytes_and_identical_pixels_are_told_apart(images):
    shutil.copy(images / "train/broken/tr0-0.jpg", images / "train/broken/copy.jpg")
    data = (images / "train/broken/tr0-1.jpg").read_bytes()
    comment = b"\xff\xfe\x00\x06note"  # JPEG COM segment: other bytes, same pixels
    (images / "train/broken/noted.jpg").write_bytes(data[:2] + comment + data[2:])
    told = {cluster.keys: cluster.copies[0].likeness for cluster in audit(images).clusters}
    assert told == {
        ("train/broken/copy.jpg", "train/broken/tr0-0.jpg"): "same bytes",
        ("train/broken/noted.jpg", "train/broken/tr0-1.jpg"): "same pixels",
    }


def test_copies_with_both_labels_are_a_contradiction_and_end_with_1(images, cli):
    write(images / "train/stable/other.jpg", np.ascontiguousarray(np.rot90(limb(3))))
    (cluster,) = audit(images).contradictions
    assert cluster.keys == ("train/broken/tr0-3.jpg", "train/stable/other.jpg")
    told = cli("audit", images)
    assert told.exit_code == 1
    assert "1 images with both labels, 0 leaks" in told.stdout


def test_a_name_family_across_splits_is_a_leak_even_of_different_pixels(images):
    write(images / "train/broken/82.jpg", limb(501))
    write(images / "test/broken/82-rotated2-rotated3.jpg", limb(502))
    found = audit(images)
    (leak,) = found.leaks
    assert (leak.because, len(found.families)) == ("file names", 1)
    assert set(leak.keys) == {"train/broken/82.jpg", "test/broken/82-rotated2-rotated3.jpg"}
    assert found.clusters == ()


def test_images_cut_short_other_files_and_junk_are_listed(images):
    whole = (images / "train/broken/tr0-0.jpg").read_bytes()
    (images / "train/broken/cut.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "train/broken/notes.txt").write_text("fell off a horse", "utf-8")
    (images / "train/broken/Thumbs.db").write_bytes(b"x")
    (images / ".DS_Store").write_bytes(b"x")
    (images / "readme.txt").write_text("x", "utf-8")
    found = audit(images)
    assert {refusal.key: refusal.reason for refusal in found.refused} == {
        "train/broken/cut.jpg": "truncated",
        "train/broken/notes.txt": "not_an_image",
    }
    assert found.junk == (".DS_Store", "train/broken/Thumbs.db")
    assert found.unused == ("readme.txt",)
    assert found.is_clean


def test_a_patient_on_two_sides_of_a_manifest_is_a_leak_by_group(images):
    rows = ["path,label,group,split", "train/broken/tr0-0.jpg,broken,p1,train"]
    rows += ["train/broken/tr0-1.jpg,broken,p1,test", "train/stable/tr1-0.jpg,normal,p2,test"]
    (images / "manifest.csv").write_text("\n".join(rows), "utf-8")
    (leak,) = audit(images).leaks
    assert leak.because == "same group"
    assert leak.keys == ("train/broken/tr0-0.jpg", "train/broken/tr0-1.jpg")


def test_one_set_of_images_is_one_leak_however_many_reasons_it_has(images):
    write(images / "train/broken/82.jpg", limb(501))
    write(images / "test/broken/82-rotated1.jpg", turned(limb(501), 20))
    assert [leak.because for leak in audit(images).leaks] == ["copies"]


def test_two_images_of_smooth_bones_are_not_taken_for_copies_by_their_outline(images):
    for seed in range(4):
        write(images / f"train/stable/bone{seed}.jpg", limb(700 + seed) // 8 + gray_film(150, 120))
    assert audit(images).clusters == ()


def test_a_shortcut_in_the_frame_is_worth_its_auc_and_without_one_nothing(images):
    (plain, gray) = audit(images).baselines
    assert plain.features == "file and frame"
    assert plain.n == 32
    assert plain.low <= 0.5 <= plain.high
    for path in images.glob("*/broken/*.jpg"):
        write(path, np.pad(cv2.imdecode(np.fromfile(path, np.uint8), 0), ((0, 30), (0, 0))))
    (frame, _) = audit(images).baselines
    assert frame.auc > 0.95
    assert gray.columns > plain.columns


def test_body_part_is_a_baseline_of_its_own_where_the_manifest_knows_it(images):
    rows = ["path,label,group,body_part,hardware"]
    for number, path in enumerate(sorted(images.glob("*/*/*.jpg"))):
        broken = path.parent.name == "broken"
        part = "hand" if broken else "leg"
        rows.append(f"{path.relative_to(images)},{path.parent.name},g{number // 2},{part},0")
    (images / "manifest.csv").write_text("\n".join(rows), "utf-8")
    baselines = {b.features: b for b in audit(images).baselines}
    assert baselines["file and frame, body part and hardware"].auc == 1.0
    assert baselines["file and frame"].auc < 0.8
    assert baselines["all of these"].groups == 16


@pytest.mark.parametrize("seed", range(5))
def test_a_baseline_is_never_measured_on_images_that_it_was_fitted_on(samples, seed):
    """Each image shows a part of its own: known by heart it gives all away, unseen nothing."""
    fractured = np.random.default_rng(seed).permutation(np.arange(40) % 2 == 0).tolist()
    parts = [f"part{i:02}" for i in range(40)]
    alike = {"file_bytes": 9000, "file_format": FileFormat.PNG, "quantization": 0, "chroma": 0.0}
    alike |= {"height": 300, "width": 200, "mean": 90.0, "spread": 30.0, "border_mean": 20.0}
    alike |= {"border_spread": 5.0, "black": 0.1, "white": 0.0, "thumbnails": {}}
    images = [
        ImageStats(sample=image, sha256=image.key, pixels_digest=image.key, **alike)
        for image in samples(fractured, body_parts=parts)
    ]
    baselines = measure_baselines(images, [image.sample.group for image in images], seed=seed)
    known = {b.features: b for b in baselines}["file and frame, body part and hardware"]
    assert (known.n, known.groups) == (40, 40)
    # Folds whose images are seldom broken are left to fits that saw more broken ones: 0.5 or less.
    assert known.auc <= 0.55


def test_one_class_has_no_baseline_and_the_report_says_so(images, cli):
    shutil.rmtree(images / "train/stable")
    shutil.rmtree(images / "test/stable")
    found = audit(images)
    assert found.baselines[0].auc is None
    assert "undefined" in to_markdown(found)
    told = cli("audit", images)
    assert told.exit_code == 1
    assert "No image is not fractured" in told.stdout
    assert "No leak" not in told.stdout


def test_a_class_whose_images_cannot_be_read_counts_as_missing(images, cli):
    for path in images.glob("*/broken/*.jpg"):
        path.write_bytes(path.read_bytes()[:200])
    told = cli("audit", images)
    assert told.exit_code == 1
    assert "No image is fractured" in told.stdout


def test_a_color_picture_is_listed_as_junk(images):
    noise = np.random.default_rng(0).integers(0, 256, (150, 120, 3), np.uint8)
    write(images / "train/broken/party.jpg", noise)
    (images / "Thumbs.db").write_bytes(b"x")
    found = audit(images)
    assert found.junk == ("Thumbs.db", "train/broken/party.jpg")
    assert "- `train/broken/party.jpg`" in to_markdown(found)
    assert found.is_clean


def test_the_report_json_and_contact_sheets_are_written(images, tmp_path, cli):
    write(images / "test/stable/other.jpg", turned(limb(3), 90))
    out = tmp_path / "audit"
    told = cli("audit", images, "--out", out)
    assert told.exit_code == 1, told.output
    assert {path.name for path in out.iterdir()} == {
        *("audit.md", "audit.json"),
        *("contradictions-01.png", "leaks-01.png", "copies-01.png"),
    }
    text = (out / "audit.json").read_text("utf-8")
    assert told.stdout == (out / "audit.md").read_text("utf-8")
    assert "leaks-01.png" in told.stdout
    assert str(tmp_path) not in text
    record = json.loads(text)
    assert record["leaks"][0]["keys"] == ["test/stable/other.jpg", "train/broken/tr0-3.jpg"]
    assert record["clean"] is False
    sheet = cv2.imread(str(out / "leaks-01.png"), cv2.IMREAD_GRAYSCALE)
    assert np.abs(sheet[:180].astype(int) - 60).max() > 100  # images, not only paper


def test_without_out_nothing_is_written(images, cli, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    cli("audit", images)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("where", ["images/audit", "full"], ids=["within the data", "not empty"])
def test_an_out_folder_that_would_do_harm_is_refused(images, tmp_path, where):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x", "utf-8")
    with pytest.raises(UsageError, match="name another"):
        audit_data(images, out=tmp_path / where)
    assert not (images / "audit").exists()


def test_images_that_none_can_be_read_or_found_are_unfit_data(tmp_path, cli):
    for name in ("broken", "stable"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match="2 refused"):
        audit(tmp_path)


@pytest.mark.parametrize("words", [(), ("--out", "audit")])
def test_a_folder_that_is_not_there_is_a_usage_error_that_names_it(tmp_path, cli, words):
    told = cli("audit", tmp_path / "nothing", *[tmp_path / w if w == "audit" else w for w in words])
    assert told.exit_code == 2
    assert f"{tmp_path / 'nothing'}: no such folder or manifest CSV" in told.stderr


def test_labels_are_those_of_the_folders(images):
    assert {sample.label for sample in audit(images).samples} == set(Label)
