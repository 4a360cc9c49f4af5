import json
import shutil

import numpy as np
import pytest
from bonefx_edge.errors import UsageError
from bonefx_train.errors import DataError

pytestmark = pytest.mark.host
keras = pytest.importorskip("keras")

from bonefx_train.data.pixels import load_pixels, to_network_range  # noqa: E402
from bonefx_train.evaluation.predict import logits, p_fracture  # noqa: E402
from bonefx_train.fit import command as workflow  # noqa: E402
from bonefx_train.fit import fit as fit_module  # noqa: E402 (Keras may be absent)
from bonefx_train.fit.command import fit_run  # noqa: E402
from bonefx_train.fit.fit import Epoch, best_epoch, read_history  # noqa: E402
from bonefx_train.run import Run  # noqa: E402


@pytest.fixture(name="data")
def _data(tmp_path, write_folders):
    """Broken images are bright: 17 train, 3 or 4 tune images of each class."""
    return write_folders(tmp_path / "data", ["stable", "broken"], images=24)


def start(data, out, **changed):
    settings = {
        "network": "seed",
        "spec": "seed",
        "seed": 1,
        "epochs": 2,
        "batch_size": 16,
        "patience": 9,
        "resume": False,
    }
    return fit_run(data, out=out, **{**settings, **changed})


@pytest.fixture(name="fitted", scope="module")
def _fitted(tmp_path_factory, write_folders):
    """Return a run of two epochs, its images beside it; a test that changes either takes `copy`."""
    root = tmp_path_factory.mktemp("fitted")
    data = write_folders(root / "data", ["stable", "broken"], images=24)
    return start(data, root / "run")


@pytest.fixture(name="copy")
def _copy(fitted, tmp_path):
    """Return a folder with that run and its images, for this test alone."""
    return shutil.copytree(fitted.dir.parent, tmp_path / "copy")


@pytest.mark.parametrize("spec", ["seed", "area"])
def test_a_set_where_broken_is_bright_is_learned_with_the_right_polarity(data, tmp_path, spec):
    run = start(data, tmp_path / "run", spec=spec, epochs=15)
    test = load_pixels(run.of("test"), spec=run.settings.input_spec)
    p = p_fracture(logits(run.keras_model(), test.x), temperature=1.0)
    assert p[test.fractured].min() > 0.5 > p[~test.fractured].max()
    # As the presentation reads it: round, 0 broken, 1 not broken.
    score = np.asarray(run.keras_model().predict_on_batch(to_network_range(test.x)))
    np.testing.assert_array_equal(score.round().ravel(), test.class_index)


def test_the_run_folder_holds_all_that_is_promised(fitted):
    run, data = fitted, fitted.dir.parent / "data"
    names = {path.name for path in run.dir.iterdir()}
    assert names == {
        "settings.json",
        "split.csv",
        "refused.csv",
        "model.keras",
        "history.json",
        "curves.png",
        "curves.svg",
        "curves.pdf",
        "train.log",
        "checkpoint",
    }
    log = (run.dir / "train.log").read_text("utf-8")
    for told in ("'broken' -> 0 fractured", "conv2d", '"seed": 1', "epoch 2/2", "kept epoch"):
        assert told in log
    assert len(run.samples) == 48
    assert (run.settings.data_root, run.settings.data_name) == (str(data), "data")
    everything = [p for p in run.dir.iterdir() if p.suffix in {".csv", ".json"}]
    assert [p.name for p in everything if str(data) in p.read_text("utf-8")] == ["settings.json"]


def test_test_images_are_never_read_while_fitting(data, tmp_path, monkeypatch):
    """Every test image is gone once the images are divided: a fit that looked would refuse them."""
    load, gone = workflow.load_dataset, []

    def load_and_remove_test(folder, *, seed):
        dataset = load(folder, seed=seed)
        for sample in dataset.of("test"):
            sample.path.unlink()
            gone.append(sample.key)
        return dataset

    monkeypatch.setattr(workflow, "load_dataset", load_and_remove_test)
    run = start(data, tmp_path / "run", epochs=1)
    assert len(gone) == len(run.of("test")) > 0
    assert (run.dir / "refused.csv").read_text("utf-8") == "key,reason\n"


def test_the_same_seed_gives_the_same_history(fitted, data, tmp_path):
    start(data, tmp_path / "again")
    assert read_history(tmp_path / "again") == read_history(fitted.dir)


def test_a_killed_fit_goes_on_and_ends_as_if_it_had_not_been_killed(data, tmp_path, monkeypatch):
    whole = start(data, tmp_path / "whole", epochs=4)
    keep, out = fit_module._keep, tmp_path / "killed"

    def killed_in_epoch_3(keras_model, history, trainer, *, run_dir):
        if len(history) == 3:
            raise KeyboardInterrupt
        keep(keras_model, history, trainer, run_dir=run_dir)

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "_keep", killed_in_epoch_3)
        with pytest.raises(KeyboardInterrupt):
            start(data, out, epochs=4)
    assert len(read_history(out)) == 2
    resumed = start(data, out, epochs=4, resume=True)
    assert len(read_history(out)) == 4
    for a, b in zip(read_history(whole.dir), read_history(out), strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)
        assert a.tune_auc == b.tune_auc
    for a, b in zip(
        whole.keras_model().get_weights(), resumed.keras_model().get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_kill_between_two_files_loses_one_epoch_at_most(data, tmp_path, monkeypatch):
    """The checkpoint of epoch 2 is written, its history is not: epoch 2 is done again."""
    write_text, out = fit_module.write_text, tmp_path / "run"

    def killed(path, text):
        if path.name == "history.json" and len(json.loads(text)) == 2:
            raise KeyboardInterrupt
        write_text(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            start(data, out, epochs=3)
    assert len(read_history(out)) == 1
    start(data, out, epochs=3, resume=True)
    assert len(read_history(out)) == 3
    assert [p.name for p in (out / "checkpoint").iterdir()] == ["epoch-0003.keras"]


def test_an_existing_run_is_not_overwritten(copy):
    before = (copy / "run/model.keras").read_bytes()
    with pytest.raises(UsageError, match="add --resume or choose another"):
        start(copy / "data", copy / "run")
    assert (copy / "run/model.keras").read_bytes() == before


@pytest.mark.parametrize("where", ["data/run", "data", "file", "file/run"])
def test_a_run_folder_that_cannot_be_one_is_refused_before_anything_is_read(
    data, tmp_path, monkeypatch, where
):
    """Inside the images' folder it would be a class called "run" when the fit is resumed."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(workflow, "load_dataset", None)
    with pytest.raises(UsageError, match=r"for the run, got (one inside|a file)"):
        start(data, tmp_path / where)


def test_a_damaged_network_is_an_error_with_words(copy):
    run = Run.open(copy / "run", data_root=copy / "data")
    whole = (run.dir / "model.keras").read_bytes()
    (run.dir / "model.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="got a damaged file; fit again"):
        run.keras_model()


def test_other_settings_or_images_do_not_go_on_with_a_run(copy, write_image):
    data, run_dir = copy / "data", copy / "run"
    with pytest.raises(UsageError, match=r"batch_size 16 \(now 8\)"):
        start(data, run_dir, batch_size=8, resume=True)
    write_image(data / "broken/one more.png", seed=555)
    with pytest.raises(UsageError, match="data_sha256"):
        start(data, run_dir, resume=True)


def test_tune_ends_the_fit_after_patience_epochs_without_a_better_auc(data, tmp_path, monkeypatch):
    monkeypatch.setattr(fit_module, "_score", lambda *_: (1.0, 0.5, next(aucs)))
    aucs = iter([0.5, 0.6, 0.55, 0.7, 0.6, 0.7, 0.9])
    run = start(data, tmp_path / "run", epochs=30, patience=2)
    assert [epoch.tune_auc for epoch in read_history(run.dir)] == [0.5, 0.6, 0.55, 0.7, 0.6, 0.7]


def test_of_epochs_with_equal_auc_the_one_with_the_lowest_loss_is_kept():
    history = [Epoch(0, 0, loss, 0, auc) for loss, auc in ((3, 0.5), (2, 0.7), (1, 0.7), (0, 0.6))]
    assert best_epoch(history) == 2
    assert best_epoch(history[:2] * 2) == 1


def test_the_kept_network_is_that_of_the_best_epoch(data, tmp_path):
    run = start(data, tmp_path / "run", epochs=3)
    tune = load_pixels(run.of("tune"), spec=run.settings.input_spec)
    history = read_history(run.dir)
    loss, _, auc = fit_module._score(run.keras_model(), tune)
    assert auc == history[best_epoch(history)].tune_auc
    assert loss == pytest.approx(history[best_epoch(history)].tune_loss, rel=1e-5)


def test_an_unreadable_image_is_listed_and_the_fit_goes_on(data, tmp_path):
    (data / "broken/notes.txt").write_text("not an image")
    run = start(data, tmp_path / "run", epochs=1, seed=3)
    split = next(s.split for s in run.samples if s.key == "broken/notes.txt")
    listed = (run.dir / "refused.csv").read_text("utf-8")
    assert ("broken/notes.txt,not_an_image" in listed) == (split != "test")


def test_a_run_opens_with_its_images_elsewhere(data, tmp_path):
    start(data, tmp_path / "run", epochs=1)
    moved = data.rename(tmp_path / "moved")
    run = Run.open(tmp_path / "run", data_root=moved)
    assert all(sample.path.is_file() for sample in run.samples)
    assert not any(sample.path.is_file() for sample in Run.open(tmp_path / "run").samples)


def test_a_folder_without_a_run_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match="make one with bonefx-train fit"):
        Run.open(tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "split.csv").write_text("")
    with pytest.raises(DataError, match="fit again"):
        Run.open(tmp_path)
