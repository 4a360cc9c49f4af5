"""The model card says what was measured, and nothing else."""

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from bonefx_edge.model.bundled import DEFAULT_MODEL, bundled_models
from bonefx_train.studies import model_card, pages
from toy import toy_path

ROOT = Path(__file__).parents[2]
REFERENCES = ROOT / pages.REFERENCES
DEFAULT = "tiled-int8"
TOYS = {name: toy_path(name) for name in ("tiled-float32", "tiled-int8")}
FIGURE = {
    "name": "peak",
    "meaning": "inside a box",
    "value": 0.4321,
    "low": 0.3,
    "high": 0.5,
    "n": 7,
}


@pytest.fixture(name="package")
def _package() -> Any:
    return model_card.read_shipped(TOYS)


def model_of(package: Any) -> dict[str, str]:
    """Return what a reference file says of the default model."""
    return {"name": "toy", "version": "1.0.0", "sha256": package[DEFAULT].sha256, "kind": "int8"}


def accuracy_report(package: Any) -> dict[str, Any]:
    """Return the committed report, as if it were of the default model."""
    text = (REFERENCES / "quantization_cost.json").read_text()
    report: dict[str, Any] = json.loads(text)
    report["models"] = [model_of(package) for _ in report["models"]]
    return report


def reports(package: Any) -> dict[str, dict[str, Any]]:
    """Return a report of each kind, of the default model, as small as may be."""
    head = {"model": model_of(package), "mode": "tiled", "data": "toys", "split": "tune"}
    head |= {"films": 7, "films_of_the_split": 9}
    counted = {"boxes": 8, "groups": 5, "refused": {"blank": 1}, "interval": "95 %"}
    one_set = {"name": "web_pool", "films": 7, "answered": 6, "refused": {"blank": 1}}
    one_set |= {"p_fracture": {"q25": 0.1, "median": 0.2, "q75": 0.3}, "figures": [FIGURE]}
    result = {"name": "toy tiled", "model": model_of(package), "aucs": [FIGURE], "sets": [one_set]}
    result |= {"has_map": True, "localization": [FIGURE]}
    described = {"name": "web_pool", "what": "films", "films": 7, "groups": 5, "boxes": 8}
    row = {"disturbance": "none", "fractured": 3, "figures": [FIGURE]}
    drawn = {"films": "noise", "n": 7, "refused": FIGURE, "uncertain": 4, "no_fracture": 0}
    drawn |= {"fracture": 0}
    spread = {"p50": 1.5, "p95": 2.5, "p99": 3.5}
    timed = {"model": "tiled-int8", "threads": 1, "runtime": "r 1", "cold": {}}
    timed |= {"warm": {"n": 7, "stages_ms": {"invoke": spread, "total": spread}}}
    timed["cold"] = {"n": 2, "command_ms": spread}
    return {
        "quantization_cost": accuracy_report(package),
        "external": {
            "interval": "95 %",
            "box_classes": ["line"],
            "sets": [described],
            "results": [result],
        },
        "localization": head | counted | {"figures": [FIGURE]},
        "robustness": head | {"refused_undisturbed": 1, "rows": [row]},
        "out_of_scope": {
            "model": model_of(package),
            "rows": [drawn],
        },
        "latency-small-board": {"circumstances": {"cores": 2}, "rows": [timed]},
    }


def card(references: Path, package: Any) -> str:
    """Return the page with the toy as the default model."""
    return model_card.card(references, package, default=DEFAULT)


def write(folder: Path, found: dict[str, dict[str, Any]]) -> Path:
    """Write the reports as reference files."""
    folder.mkdir(exist_ok=True)
    for name, report in found.items():
        (folder / f"{name}.json").write_text(json.dumps(report))
    return folder


def test_the_committed_pages_are_those_of_the_committed_reports() -> None:
    shipped = model_card.read_shipped(bundled_models())
    page = model_card.card(REFERENCES, shipped, default=DEFAULT_MODEL)
    stale = "stale: run python -m bonefx_train.studies.model_card"
    assert (ROOT / model_card.CARD).read_text() == page, stale
    reports = [p for p in REFERENCES.rglob("*.json") if p.stem in pages.TITLES]
    assert len(reports) >= len(model_card.SECTIONS) - 1
    for path in reports:
        made = pages.page(path.stem, json.loads(path.read_text()))
        assert path.with_suffix(".md").read_text() == made, f"stale: {path}"


def test_without_references_every_block_says_not_measured(package: Any, tmp_path: Path) -> None:
    page = card(tmp_path, package)
    for template in model_card.SECTIONS:
        assert f"\n## {pages.TITLES[template]}\n\nNot measured.\n" in page


@pytest.mark.parametrize(
    "name", ["external", "localization", "robustness", "out_of_scope", "quantization_cost"]
)
def test_one_reference_fills_one_block(package: Any, tmp_path: Path, name: str) -> None:
    page = card(write(tmp_path, {name: reports(package)[name]}), package)
    assert page.count("\nNot measured.\n") == len(model_card.SECTIONS) - 1
    assert f"From `benchmarks/reference/{name}.json`." in page


def numbers(report: Any) -> list[tuple[list[Any], float]]:
    """Return the way to every fraction of a report, and the fraction."""
    if isinstance(report, float):
        return [([], report)]
    if not isinstance(report, dict | list):
        return []
    items = report.items() if isinstance(report, dict) else enumerate(report)
    return [([key, *way], number) for key, each in items for way, number in numbers(each)]


@pytest.mark.parametrize("name", ["external", "localization", "robustness", "latency-small-board"])
def test_every_number_of_a_reference_is_on_the_page(
    package: Any, tmp_path: Path, name: str
) -> None:
    original = reports(package)[name]
    before = card(write(tmp_path, {name: original}), package)
    assert numbers(original)
    for way, number in numbers(original):
        changed = copy.deepcopy(original)
        at = changed
        for key in way[:-1]:
            at = at[key]
        at[way[-1]] = number + 0.125
        assert card(write(tmp_path, {name: changed}), package) != before, way


def test_a_figure_stands_with_its_interval_and_n(package: Any, tmp_path: Path) -> None:
    page = card(write(tmp_path, reports(package)), package)
    assert "| peak | 0.432 (0.300 to 0.500; n 7) | inside a box |" in page
    assert "| noise | 7 | 0.432 (0.300 to 0.500; n 7) | 4 | 0 | 0 |" in page


def test_an_undefined_figure_is_said_to_be_undefined(package: Any, tmp_path: Path) -> None:
    report = reports(package)["localization"]
    report["figures"] = [FIGURE | {"value": None, "low": None, "high": None}]
    page = card(write(tmp_path, {"localization": report}), package)
    assert "| peak | undefined | inside a box |" in page


def test_figures_of_another_model_file_are_said_to_be_so(package: Any, tmp_path: Path) -> None:
    found = reports(package)
    assert "Of other model files" not in card(write(tmp_path, found), package)
    found["localization"]["model"]["sha256"] = "ab" * 32
    page = card(write(tmp_path, found), package)
    assert "**Of other model files than those shipped now (toy 1.0.0)" in page
    assert "**The default model as shipped, `tiled-int8`, is not among them.**" in page


def test_models_that_were_not_timed_are_named(package: Any, tmp_path: Path) -> None:
    name = "latency-small-board"
    page = card(write(tmp_path, {name: reports(package)[name]}), package)
    assert "Not timed: tiled-float32." in page


def test_a_model_file_that_is_not_shipped_is_shown_with_its_hash() -> None:
    report = json.loads((REFERENCES / "localization.json").read_text())
    report["model"]["sha256"] = "ab" * 32
    assert "lite0-int8 0.6.0 `abababababab`, mode" in pages.page("localization", report)


def test_the_templates_hold_no_figures() -> None:
    templates = Path(pages.__file__).with_name("templates").glob("*.j2")
    texts = [re.sub(r"{[{%].*?[%}]}", "", path.read_text()) for path in templates]
    texts = [text.replace("95 %", "") for text in texts]
    assert re.findall(r"(?<![\d./])0\.\d+|\d+(?:\.\d+)? ?%(?! of a box)", str(texts)) == []


def test_the_page_names_no_path_of_a_machine(package: Any) -> None:
    for page in (card(REFERENCES, package), (ROOT / model_card.CARD).read_text()):
        assert re.findall(r"(?:/home|/root|/tmp|/work|[A-Z]:\\)\S*", page) == []


def test_weights_of_others_are_attributed_where_they_are_used(package: Any, tmp_path: Path) -> None:
    assert package[DEFAULT].manifest.provenance.network == "toy"
    assert "Apache-2.0" in card(tmp_path, package)
    seeds = {"seed-int8": bundled_models()["seed-int8"]}
    alone = model_card.read_shipped(seeds)
    assert "ImageNet" not in model_card.card(tmp_path, alone, default="seed-int8")


def test_a_file_in_the_folder_that_is_no_reference_changes_nothing(
    package: Any, tmp_path: Path
) -> None:
    before = card(tmp_path, package)
    shutil.copy(ROOT / "README.md", tmp_path / "quantization_cost.md")
    assert card(tmp_path, package) == before
