"""The documentation is true: checked against the code, not against memory."""

import dataclasses
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import bonefx_edge
import cv2
import pytest
from bonefx_edge.errors import Reason
from bonefx_edge.inference.decision import OperatingPoint, Proportion
from bonefx_edge.inference.input_check import InputCheckSpec, Interval
from bonefx_edge.inference.preprocess import SPECS, InputSpec
from bonefx_edge.inference.tile_grid import TileSelection, TileSpec
from bonefx_edge.inference.tiling import InferenceMode
from bonefx_edge.model.bundled import DEFAULT_MODEL, bundled_models
from bonefx_edge.model.manifest import Manifest, OutputSpec, Provenance, VerifiedRuntime
from bonefx_edge.model.model_file import ModelFile
from bonefx_edge.model.site_profile import (
    ProfileFilms,
    ProfileLimit,
    ProfileModel,
    Quantiles,
    SiteProfile,
)
from example_findings import ANSWERED
from toy import film

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MARKDOWN = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
MANIFEST_TYPES = (
    *(Manifest, InputSpec, OutputSpec, OperatingPoint, Proportion, InputCheckSpec, Interval),
    *(VerifiedRuntime, Provenance, InferenceMode, TileSelection, TileSpec),
)


@pytest.mark.parametrize("kind", MANIFEST_TYPES, ids=lambda kind: kind.__name__)
def test_every_field_of_the_manifest_is_in_the_documentation(kind) -> None:
    text = (DOCS / "model-file.md").read_text()
    words = set(re.findall(r"[a-z_0-9]+", text))
    assert {field.name for field in dataclasses.fields(kind)} <= words


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_code_is_in_the_documentation(reason: Reason) -> None:
    assert f"| `{reason.value}` |" in (DOCS / "errors.md").read_text()


def test_every_key_of_a_finding_is_in_the_documentation() -> None:
    text = (DOCS / "finding.md").read_text()
    record = ANSWERED.to_dict()
    keys = [*record, *record["model"], *record["timings_ms"], *record["regions"][0]]
    keys += record["site_profile"]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_the_python_of_the_page_of_findings_runs(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = film(60)
    cv2.imwrite("film.png", pixels)
    names = {"pixels": pixels}
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "finding.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, names)  # noqa: S102 our own page
    assert names["finding"].path == "film.png"
    assert capsys.readouterr().out.splitlines()[1] == "gone.dcm refused"


def test_every_public_name_is_there_and_imported_late() -> None:
    code = (
        "import bonefx_edge, sys; print(*sys.modules);"
        "[getattr(bonefx_edge, name) for name in bonefx_edge.__all__]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "bonefx_edge.finding"} & set(done.stdout.split())
    with pytest.raises(AttributeError, match="no attribute 'nonesuch'"):
        bonefx_edge.nonesuch  # noqa: B018 asked for on purpose


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_install_steps_are_marked_for_their_test_and_name_the_wheel_of_this_version(page) -> None:
    text = (ROOT / page).read_text()
    assert "<!-- run: tests/install -->" in text
    wheels = set(re.findall(r"bonefx-[0-9][\w.]*-py3-none-any\.whl", text))
    assert wheels == {f"bonefx-{bonefx_edge.__version__}-py3-none-any.whl"}


@pytest.mark.parametrize("name", ["add-a-network.md", "add-a-file-format.md"])
def test_the_files_that_a_page_for_developers_names_exist(name: str) -> None:
    named = re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9.]*)`", (DOCS / name).read_text())
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    "page", [*DOCS.glob("*.md"), ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name
)
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    folders = ("edge", "train", "convert", "benchmarks", "tests")
    modules = [str(path) for name in folders for path in (ROOT / name).rglob("*.py")]
    named = set(re.findall(r"`([a-z_0-9/]+\.py)`", page.read_text()))
    assert {name for name in named if not any(m.endswith(f"/{name}") for m in modules)} == set()


@pytest.mark.host
def test_the_network_of_the_page_is_one_that_the_converter_takes() -> None:
    import keras
    from bonefx_train.networks.registry import LOGIT_NAME, logits_model

    page = (DOCS / "add-a-network.md").read_text()
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert block
    names = {"keras": keras, "InputSpec": InputSpec}
    exec(textwrap.dedent(block[1]), names)  # noqa: S102 - a code block of our own
    network = names["_tiny"](SPECS["area-letterbox"])
    assert network.compiled
    assert set(logits_model(network).output) == {LOGIT_NAME}


@pytest.mark.host
def test_the_page_of_commands_is_their_own_help() -> None:
    from make_cli_docs import PATH, cli_docs

    assert PATH.read_text() == cli_docs(), "stale: run python tests/support/make_cli_docs.py"


def test_the_figures_of_the_readme_are_those_of_the_committed_benchmark() -> None:
    report = json.loads((ROOT / "benchmarks/reference/quantization_cost.json").read_text())
    path = bundled_models()[DEFAULT_MODEL]
    sha256 = ModelFile.read(path).sha256
    hashes = [model["sha256"] for model in report["models"]]
    assert sha256 in hashes, "run make bench again"
    evaluation = report["evaluations"][hashes.index(sha256)]
    row, refused = evaluation["rows"][0], [key for key, _ in evaluation["refused"]]
    figures = {f["name"]: f for f in row["figures"]}
    cells = [path.stem, f"{path.stat().st_size / 1000:.0f} kB"]
    cells += [
        f"{f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f})"
        for f in (figures[name] for name in ("auc", "sensitivity", "specificity"))
    ]
    cells.append(f"{figures['uncertain']['value']:.3f}")
    text = (ROOT / "README.md").read_text()
    assert f"| {' | '.join(cells)} |" in text
    assert f"{row['n']} films answered" in text
    fractured = sum(key.startswith("fractured/") for key in refused)
    normal = len(refused) - fractured
    n_fractured = figures["sensitivity"]["n"] + fractured
    n_normal = figures["specificity"]["n"] + normal
    assert (
        f"refused {fractured} of {n_fractured} fractured and {normal} of {n_normal} normal films"
        in text.replace("\n", " ")
    )


def test_every_shipped_model_is_in_the_committed_benchmark() -> None:
    measured = {
        model["sha256"]
        for where in (".", "seed")
        for model in json.loads(
            (ROOT / "benchmarks/reference" / where / "quantization_cost.json").read_text()
        )["models"]
    }
    assert measured == {ModelFile.read(path).sha256 for path in bundled_models().values()}


def test_every_key_of_a_site_profile_is_in_the_documentation() -> None:
    text = (DOCS / "commissioning.md").read_text()
    kinds = (SiteProfile, ProfileModel, ProfileFilms, ProfileLimit, Quantiles)
    keys = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    assert [key for key in keys if f"`{key}`" not in text] == []
