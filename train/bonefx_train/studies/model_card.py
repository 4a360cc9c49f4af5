"""Write docs/model-card.md: words of model_card_text.py, figures of benchmarks/reference.

    python -m bonefx_train.studies.model_card

No figure is typed: each is read from a reference file or a shipped model file. A reference that is
absent makes its block say "not measured"; one of other model files than those shipped says so.
tests/test_model_card.py fails when the page is stale.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bonefx_edge import NOTICE
from bonefx_edge.inference.decision import Proportion
from bonefx_edge.model.bundled import DEFAULT_MODEL, shipped_models
from bonefx_edge.model.model_file import ModelFile

from bonefx_train.studies import model_card_figures as figures
from bonefx_train.studies import model_card_text as words
from bonefx_train.studies.model_card_figures import (
    NOT_MEASURED,
    SHOWN_OF_HASH,
    Package,
    Shipped,
    plain,
    row,
    table_head,
)

ROOT = Path(__file__).parents[3]
CARD = ROOT / "docs" / "model-card.md"
REFERENCES = ROOT / "benchmarks" / "reference"


Block = Callable[[Any, Package], list[str]]
"""A parsed reference file and the shipped models -> lines."""
MEASURED: tuple[tuple[str, str, Block], ...] = (
    ("Accuracy", "**/quantization_cost.json", figures.accuracy),
    ("Films of other hospitals", "external.json", figures.elsewhere),
    ("Pointing", "localization.json", figures.pointing),
    ("Disturbed films", "robustness.json", figures.robustness),
    ("Gate", "out_of_scope.json", figures.gate),
    ("Latency", "latency*.json", figures.latency),
)
"""Heading, reference files (of another reading: in a folder of their own), what makes lines."""


def read_package(paths: Mapping[str, Path], *, default: str) -> Package:
    """Return the model files, opened and checked; `default` is the name of one of them."""
    opened = {name: ModelFile.read(path) for name, path in paths.items()}
    models = {
        name: Shipped(name, paths[name].stat().st_size, model.sha256, model.manifest)
        for name, model in opened.items()
    }
    return Package(tuple(models.values()), models[default])


def card(references: Path, package: Package) -> str:
    """Return the page.

    Parameters
    ----------
    references
        Folder of the JSON files that the benchmarks wrote; any of them may be absent.
    package
        The shipped model files.
    """
    default = package.default
    lines = [
        "<!-- Written by python -m bonefx_train.studies.model_card; change that, not this. -->",
        f"# Model card: {default.manifest.name} {default.manifest.version}",
        "",
        f"**{NOTICE}**",
        "",
        f"The default model is `{default.name}`. A figure stands with its n and, where one can be",
        "given, its 95 % interval; the file that it was read from is named above it.",
    ]
    for heading, text in _blocks(references, package):
        lines += ["", f"## {heading}", "", text.strip()]
    return "\n".join([*lines, ""])


def _blocks(references: Path, package: Package) -> Iterator[tuple[str, str]]:
    """Yield heading and text of each block."""
    attribution = words.ATTRIBUTION
    if any(model.manifest.provenance.network != "seed" for model in package.models):
        attribution += words.IMAGENET_ATTRIBUTION
    yield "Intended use", words.INTENDED_USE
    yield "Users", words.USERS
    yield "Not for", words.NOT_FOR
    yield "Model files", "\n".join(_files(package))
    sets = table_head("set", "measures", "licence") + [row(*each) for each in words.EVALUATION_SETS]
    yield "Data and attribution", "\n".join([attribution, *sets])
    yield "Limits of the data", words.LIMITS_OF_THE_DATA
    yield "How it was fitted", words.FITTED_ON + "\n".join(_fitted(package))
    yield "Readings and operating points", "\n".join(_readings(package))
    for heading, pattern, block in MEASURED:
        paths = sorted(references.glob(pattern))
        texts = [_measured(references, path, block, package) for path in paths]
        yield heading, "\n\n".join(texts) or NOT_MEASURED
    yield "Known failures", words.KNOWN_FAILURES
    yield "Reproduce", words.REPRODUCE


def _measured(references: Path, path: Path, block: Block, package: Package) -> str:
    """Return the text of one reference file, and whether it is of the files shipped."""
    report = json.loads(path.read_text())
    measured = list(figures.model_ids(report))
    others = {package.name(model) for model in measured if not package.holds(model)}
    name = path.relative_to(references).as_posix()
    lines = [f"From `benchmarks/reference/{name}`.", ""]
    if others:
        which = ", ".join(sorted(others))
        lines += [f"**Of other model files than those shipped now ({which}): `make bench` measures"]
        lines += ["anew.**", ""]
    default = package.default
    if measured and default.sha256 not in {model["sha256"] for model in measured}:
        lines += [f"**The default model as shipped, `{default.name}`, is not among them.**", ""]
    return "\n".join(lines + block(report, package))


def _files(package: Package) -> list[str]:
    lines = table_head("file", "version", "network", "kind", "kB", "sha256", "readings", "made")
    for model in package.models:
        m = model.manifest
        lines.append(
            row(
                f"{model.name}.tflite",
                *(m.version, m.provenance.network, m.kind, f"{model.size_bytes / 1000:.0f}"),
                f"`{model.sha256[:SHOWN_OF_HASH]}`",
                ", ".join(reading.name for reading in m.readings),
                m.provenance.created[:10],
            )
        )
    total = sum(model.size_bytes for model in package.models)
    return [*lines, "", f"Together {total / 1e6:.1f} MB."]


def _fitted(package: Package) -> list[str]:
    """Return training data and settings of each network, once."""
    lines: list[str] = []
    seen: set[str] = set()
    for model in package.models:
        made = model.manifest.provenance
        if made.network in seen:
            continue
        seen.add(made.network)
        lines += ["", f"### {made.network}", "", f"- training data: {made.training_data}"]
        lines += [f"- films fitted on: {made.n_train}", f"- converter: {made.converter}"]
        lines += [f"- {key}: {plain(value)}" for key, value in made.settings.items()]
    return lines


def _readings(package: Package) -> list[str]:
    """Return how each reading of the default model is made up, and every operating point."""
    name = package.default.name
    lines = [f"In `{name}`; the first reading and its first operating point are the default.", ""]
    for reading in package.default.manifest.readings:
        values = dataclasses.asdict(reading)
        tiles = values.pop("tiles")
        del values["name"], values["operating_points"]
        parts = [f"{key} {value:.4g}" for key, value in values.items()]
        parts += [f"tiles {plain(dict(spec))}" for spec in tiles]
        lines.append(f"- `{reading.name}`: {'; '.join(parts)}")
    lines += ["", "Measured where they were chosen, so these figures flatter:", ""]
    lines += table_head(
        *("model", "reading", "operating point", "no_fracture below", "fracture from"),
        *("chosen for", "chosen on", "sensitivity", "specificity"),
    )
    lines += [
        row(
            *(model.name, reading.name, point.name),
            *(f"{point.no_fracture_below:.4f}", f"{point.fracture_from:.4f}"),
            *(point.chosen_for, point.chosen_on),
            *(_proportion(point.sensitivity), _proportion(point.specificity)),
        )
        for model in package.models
        for reading in model.manifest.readings
        for point in reading.operating_points
    ]
    return lines


def _proportion(proportion: Proportion) -> str:
    return figures.figure_cell(dataclasses.asdict(proportion))


if __name__ == "__main__":
    CARD.write_text(card(REFERENCES, read_package(shipped_models(), default=DEFAULT_MODEL)))
