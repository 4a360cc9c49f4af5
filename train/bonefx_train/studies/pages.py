"""Markdown pages of the studies: their JSON reports, filled into the templates of this package."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.bundled import bundled_models
from bonefx_edge.model.model_file import ModelFile

from bonefx_train.markdown import open_templates

REFERENCES: Final = Path("benchmarks/reference")
TITLES: Final = {
    "quantization_cost": "Quantization cost",
    "external": "External test sets",
    "localization": "Localization",
    "robustness": "Robustness",
    "out_of_scope": "Input check",
    "commissioning": "Commissioning",
    "sources": "Answers by source",
    "latency": "Latency",
}
"""By template, which has the name of the report's file."""
SHOWN_OF_HASH: Final = 12
"""Digits."""


def describe_model(classifier: Classifier) -> dict[str, str]:
    """Return name, version, sha256 and kind of a model file, as reports hold them."""
    return dataclasses.asdict(classifier.model) | {"kind": classifier.manifest.kind}


def write(out: Path, name: str, report: Mapping[str, Any]) -> None:
    """Write the report of a study as NAME.json and NAME.md into `out`, and print the page."""
    text = json.dumps(report, indent=1, allow_nan=False, default=dataclasses.asdict)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(text + "\n")
    text = page(name, json.loads(text))
    (out / f"{name}.md").write_text(text)
    typer.echo(text)


def page(name: str, report: Mapping[str, Any]) -> str:
    """Return the page of one report, as parsed from its JSON file."""
    names = {ModelFile.read(path).sha256: name for name, path in bundled_models().items()}
    values = {"title": TITLES[name], "section": name, "report": report, "default": None}
    return render("page", names=names, full=True, **values)


def render(template: str, *, names: Mapping[str, str], **values: Any) -> str:
    """Return templates/TEMPLATE.md.j2, filled.

    `names` are those of the shipped model files by their sha256; another is shown with its hash.
    """

    def name(model: Mapping[str, str]) -> str:
        digits = model["sha256"][:SHOWN_OF_HASH]
        own = "-".join(filter(None, (model["name"], model.get("kind"))))
        return names.get(model["sha256"], f"{own} {model['version']} `{digits}`")

    environment = open_templates(Path(__file__).with_name("templates"))
    environment.filters["name"] = name
    page = environment.get_template(f"{template}.md.j2").render(names=names, **values)
    return page.rstrip("\n") + "\n"
