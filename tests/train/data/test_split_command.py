"""bonefx-train split: what it writes is what fit reads back, and no copy is on two sides."""

import logging
import shutil

import numpy as np
import pytest
from bonefx_edge.errors import UsageError
from bonefx_train.audit.audit import run_audit
from bonefx_train.audit.command import parse_shares, split_data
from bonefx_train.cli import app
from bonefx_train.data.dataset import load_dataset
from bonefx_train.data.sample import Label
from bonefx_train.data.split import SHARES
from bonefx_train.errors import DataError
from typer.testing import CliRunner


@pytest.fixture(name="images")
def _images(tmp_path, write_folders, write_image):
    """Return class folders with 20 images each, one of them also mirrored under another name."""
    root = write_folders(tmp_path / "images", ["stable", "broken"], images=20)
    import cv2

    pixels = cv2.imread(str(root / "broken/br3.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(root / "broken/mirror.png"), np.ascontiguousarray(pixels[:, ::-1]))
    write_image(root / "broken/br4-rotated1.png", seed=77, gray=170)
    return root


def split(images, *, name="manifest.csv", seed=1, shares=SHARES):
    return split_data(images, out=images / name, seed=seed, shares=shares)


def test_fit_reads_the_same_images_groups_and_splits_back(images):
    divided = split(images)
    dataset = load_dataset(images, seed=99)
    assert [(s.key, s.label, s.split, s.group) for s in dataset.samples] == [
        (s.key, s.label, s.split, s.group) for s in divided
    ]
    assert {s.split for s in divided} == {"train", "tune", "test"}
    assert run_audit(images).is_clean


def test_copies_and_name_families_stay_on_one_side(images):
    for seed in range(6):
        divided = {s.key: s for s in split(images, name=f"m{seed}.csv", seed=seed)}
        for pair in (("br3", "mirror"), ("br4", "br4-rotated1")):
            one, other = (divided[f"broken/{name}.png"] for name in pair)
            assert (one.group, one.split) == (other.group, other.split)


def test_classes_are_divided_alike(images):
    divided = split(images)
    for label in Label:
        train = sum(s.split == "train" and s.label is label for s in divided)
        assert abs(train - 0.7 * sum(s.label is label for s in divided)) <= 1.5


def test_a_manifest_above_the_images_names_them_from_there(images):
    out = images.parent / "lists.csv"
    split_data(images, out=out, seed=1, shares=SHARES)
    dataset = load_dataset(out, seed=1)
    assert dataset.samples[0].key.startswith("images/")
    assert len(dataset.samples) == 42


def test_a_leaking_split_is_mended_and_its_being_dropped_is_told(tmp_path, write_folders, caplog):
    caplog.set_level(logging.INFO, logger="bonefx_train")
    sides = [f"{side}/{c}" for side in ("train", "test") for c in ("stable", "broken")]
    root = write_folders(tmp_path / "images", sides, images=12, broken=("broken",))
    shutil.copy(root / "train/broken/tr0.png", root / "test/broken/again.png")
    assert not run_audit(root).is_clean
    split(root)
    assert "not kept" in caplog.text
    assert run_audit(root).is_clean
    load_dataset(root, seed=1)


def test_an_unreadable_image_is_left_out_and_told(images, caplog):
    caplog.set_level(logging.INFO, logger="bonefx_train")
    whole = (images / "broken/br0.png").read_bytes()
    (images / "broken/cut.png").write_bytes(whole[:-200])
    assert all(s.key != "broken/cut.png" for s in split(images))
    assert "left out, unreadable: 1" in caplog.text


def test_identical_images_with_both_labels_are_refused(images):
    shutil.copy(images / "broken/br0.png", images / "stable/br0.png")
    with pytest.raises(DataError, match=r"broken/br0\.png, stable/br0\.png"):
        split(images)
    assert not (images / "manifest.csv").exists()


def test_nothing_is_written_over_and_nothing_where_fit_could_not_read_it(images, tmp_path):
    split(images)
    before = (images / "manifest.csv").read_bytes()
    with pytest.raises(UsageError, match="one that exists"):
        split(images)
    assert (images / "manifest.csv").read_bytes() == before
    with pytest.raises(UsageError, match="or above it"):
        split_data(images, out=tmp_path / "elsewhere" / "m.csv", seed=1, shares=SHARES)


def test_train_and_tune_alone_can_be_asked_for(images):
    assert {s.split for s in split(images, shares=parse_shares("0.8,0.2"))} == {"train", "tune"}


@pytest.mark.parametrize("text", ["", "1", "0.5,0.6", "a,b", "0.7,0.3,0,0", "0,1", "1.2,-0.2"])
def test_shares_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match="shares: expected"):
        parse_shares(text)


def test_the_command_says_what_to_do_next(images):
    words = ["split", str(images), "--out", str(images / "manifest.csv"), "--shares", "0.6,0.2,0.2"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert "bonefx-train fit" in told.stderr
    assert CliRunner().invoke(app, words).exit_code == 2
