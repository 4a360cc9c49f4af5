import json
import logging

import pytest
from bonefx_edge import NOTICE
from bonefx_train.cli import app
from bonefx_train.evaluation.predictions import read_predictions
from typer.testing import CliRunner

pytestmark = pytest.mark.host
pytest.importorskip("keras")


@pytest.fixture(name="cli")
def _cli():
    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(name="data")
def _data(tmp_path, write_folders):
    return write_folders(tmp_path / "images", ["STABLE", "broken"], images=24)


def test_fit_then_evaluate_tells_everything(cli, data, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="bonefx_train")
    out = tmp_path / "run"
    fitted = cli("fit", data, "--out", out, "--epochs", 3, "--batch-size", 16)
    assert fitted.exit_code == 0, fitted.output
    for found in ("'STABLE' -> 1 not_fractured", "max_pooling2d", '"epochs": 3', "tune_auc"):
        assert found in caplog.text
    evaluated = cli("evaluate", out, "--split", "test", "--baseline-auc", 0.76)
    assert evaluated.exit_code == 0, evaluated.output
    assert NOTICE in evaluated.stdout
    assert "images test" in evaluated.stdout
    assert "AUC of 0.76" in evaluated.stdout
    folder = out / "evaluation"
    found = json.loads((folder / "test.json").read_text("utf-8"))
    assert found["rows"][0]["n"] == 8
    assert found["operating_point"]["chosen_on"] == "images tune"
    assert [(row["operating_point"], row["label"]) for row in found["confusion"]] == [
        ("balanced", "fractured"),
        ("balanced", "not_fractured"),
        ("sensitive", "fractured"),
        ("sensitive", "not_fractured"),
    ]
    states = ("fracture", "uncertain", "no_fracture", "refused")
    assert [sum(row[state] for state in states) for row in found["confusion"]] == [4] * 4
    assert "| operating point | label | fracture |" in evaluated.stdout
    chosen = json.loads((folder / "chosen_on_tune.json").read_text("utf-8"))
    assert chosen["temperature"] > 0
    assert {path.name for path in folder.iterdir()} == {
        "chosen_on_tune.json",
        "test.json",
        "test.md",
        "test-predictions.csv",
        *(
            f"test-{figure}.{suffix}"
            for figure in ("roc", "precision-recall", "reliability", "forest")
            for suffix in ("png", "svg", "pdf")
        ),
    }
    said = read_predictions(folder / "test-predictions.csv")
    assert len(said) == 8
    table = folder / "test-predictions.csv"
    same = cli("compare", table, table)
    assert "8 films that both answered, 4 fractured" in same.stdout
    assert "p = 1.0000" in same.stdout
    assert "too good" not in evaluated.stdout
    for split, why in (("train", "fitted on"), ("tune", "chosen on")):
        found = cli("evaluate", out, "--split", split).stdout
        assert f"- **{why} these images: all figures here are too good**" in found
        assert found.count("too good") == 1
    moved = data.rename(tmp_path / "elsewhere")
    lost = cli("evaluate", out)
    assert (lost.exit_code, "is this the data folder?" in lost.stderr) == (3, True)
    assert cli("evaluate", out, "--data", moved, "--split", "tune").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "resnet"], "network: expected one of seed"),
        (["--spec", "sepia"], "spec: expected one of seed"),
        (["--views", 10], "expected neither boxes, patches"),
        (["--start-share", 0.5], "--weight-average: expected a model to start from"),
    ],
    ids=["network", "spec", "patches by their old name", "average by its old name"],
)
def test_a_value_that_does_not_fit_ends_with_2_and_says_what_does(
    cli, data, tmp_path, arguments, message
):
    result = cli("fit", data, "--out", tmp_path / "run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


def test_unfit_data_ends_with_3_and_leaves_no_run(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    result = cli("fit", tmp_path / "empty", "--out", tmp_path / "run")
    assert result.exit_code == 3
    assert "error: " in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_wrong_command_line_ends_with_2(cli, data):
    assert cli("fit", data).exit_code == 2
    assert cli("fit", data, "--out", "x", "--epochs", 0).exit_code == 2


def test_help_names_the_notice_and_both_commands(cli):
    found = cli("--help").output
    assert "fit" in found
    assert "evaluate" in found
    assert "not a diagnosis" in " ".join(found.split())
