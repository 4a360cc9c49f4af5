"""Write docs/model-card.md from templates/model_card.md.j2 and the reports of benchmarks/reference.

    python -m bonefx_train.studies.model_card

Run it in the root of a checkout. The templates hold no figures: each comes from a report or from a
shipped model file. A section without a report says "Not measured". A report of other model files
than those shipped says so.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonefx_edge.model.bundled import DEFAULT_MODEL, bundled_models
from bonefx_edge.model.manifest import Manifest
from bonefx_edge.model.model_file import ModelFile

from bonefx_train.studies import pages

CARD: Final = Path("docs/model-card.md")
SECTIONS: Final = {
    "quantization_cost": "**/quantization_cost.json",
    "external": "external.json",
    "localization": "localization.json",
    "robustness": "robustness.json",
    "out_of_scope": "out_of_scope.json",
    "sources": "sources.json",
    "latency": "latency*.json",
}
"""Template, and its reports below benchmarks/reference."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """One model file of the package."""

    name: str
    size_bytes: int
    sha256: str
    manifest: Manifest


def read_shipped(paths: Mapping[str, Path]) -> dict[str, Shipped]:
    """Return the model files, opened and checked, by name."""
    opened = {name: ModelFile.read(path) for name, path in paths.items()}
    return {
        name: Shipped(name, paths[name].stat().st_size, model.sha256, model.manifest)
        for name, model in opened.items()
    }


def card(references: Path, models: Mapping[str, Shipped], *, default: str) -> str:
    """Return the page of the models, by name, from the JSON reports; any of them may be absent."""
    names = {model.sha256: name for name, model in models.items()}
    sections = [
        {
            "title": pages.TITLES[template],
            "parts": [
                _part(path, template, names, default=models[default].sha256)
                | {"name": path.relative_to(references).as_posix()}
                for path in sorted(references.glob(pattern))
            ],
        }
        for template, pattern in SECTIONS.items()
    ]
    values = {"default": models[default], "models": list(models.values()), "sections": sections}
    return pages.render("model_card", names=names, **values)


def _part(path: Path, template: str, names: dict[str, str], *, default: str) -> dict[str, Any]:
    """Return the text of one report, and which of its model files are not the shipped ones."""
    report = json.loads(path.read_text())
    measured = list(model_ids(report))
    others = {f"{m['name']} {m['version']}" for m in measured if m["sha256"] not in names}
    return {
        "others": sorted(others),
        "without_default": bool(measured) and default not in {m["sha256"] for m in measured},
        "text": pages.render(
            template, names=names, report=report, default=default, full=False
        ).rstrip(),
    }


def model_ids(report: object) -> Iterator[dict[str, str]]:
    """Yield every object of a report that names a model file by its hash."""
    if isinstance(report, dict):
        if {"name", "version", "sha256"} <= set(report):
            yield report
        report = list(report.values())
    if isinstance(report, list):
        for value in report:
            yield from model_ids(value)


if __name__ == "__main__":
    CARD.write_text(card(pages.REFERENCES, read_shipped(bundled_models()), default=DEFAULT_MODEL))
