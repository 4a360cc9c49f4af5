"""The command edge-admin: look after a device. Exit codes: 0, 1 (doctor found a fault), 2, 4."""

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bonefx_edge import NOTICE
from bonefx_edge.cli import DEFAULT_MODEL, ExitCode, fail, find_model
from bonefx_edge.decision import OperatingPoint
from bonefx_edge.errors import BonefxError

if TYPE_CHECKING:  # it imports OpenCV, and the doctor must start where that is broken
    from bonefx_edge.manifest import Manifest, OutputSpec
    from bonefx_edge.reading import Reading

DOCTOR_FAULT: Final = 1
"""Exit code of `doctor` when a check failed."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help=f"Look after a device that classifies radiographs. {NOTICE}",
)


@app.command()
def doctor(
    *,
    model: Annotated[str, typer.Option(help="Model to check.")] = DEFAULT_MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False,
) -> None:
    """Say what is wrong with this device and which command mends it."""
    from bonefx_edge.doctor import Health, examine

    checks = examine(model=find_model(model))
    for check in checks:
        if as_json:
            sys.stdout.write(json.dumps(dataclasses.asdict(check)) + "\n")
            continue
        sys.stdout.write(f"{check.health.value:<5} {check.name:<13} {check.found}\n")
        if check.remedy:
            sys.stdout.write(f"{'':19} -> {check.remedy}\n")
    if any(check.health is Health.FAIL for check in checks):
        raise typer.Exit(DOCTOR_FAULT)


@app.command()
def verify(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a shipped one.")],
    *,
    runtime: Annotated[
        str | None, typer.Option(help="ai_edge_litert or tflite_runtime; default: installed one.")
    ] = None,
) -> None:
    """Check a model file byte for byte, open it, and show what it says of itself."""
    from bonefx_edge.classifier import Classifier

    try:
        classifier = Classifier.load(find_model(model), runtime=runtime)
    except BonefxError as err:
        fail(str(err), code=ExitCode.MODEL)
    sys.stdout.write(f"ok: sha256 {classifier.model.sha256}\n")
    info = classifier.runtime
    sys.stdout.write(f"opened by {info.name} {info.version}\n{describe(classifier.manifest)}")


def describe(manifest: "Manifest") -> str:
    """Return the manifest in lines for people."""
    spec, about = manifest.input, manifest.provenance
    lines = [
        f"model        {manifest.name} {manifest.version}, {manifest.kind}",
        f"network      {about.network}",
        f"classes      0 = {manifest.labels[0]}, 1 = {manifest.labels[1]}",
        f"input        {spec.width}x{spec.height}, {spec.resize}, {spec.aspect}, {spec.scale}",
        f"outputs      {_describe_output(manifest.output)}",
        f"trained on   {about.training_data}, {about.n_train} radiographs",
        f"written      {about.created} by {about.converter}",
        f"distance     {_describe_limit(manifest.gate.distance_limit)}",
        f"recorded     representative set {about.representative_sha256[:12] or '-'}",
        f"settings     {json.dumps(about.settings)}",
        f"metrics      {json.dumps(about.metrics)}",
    ]
    for reading in manifest.readings:
        lines += _describe_reading(reading)
    lines += [
        f"proved on    {r.name} {r.version} {r.machine}: {r.films} films, "
        f"largest logit difference {r.max_logit_difference:.3g}"
        for r in manifest.runtimes
    ]
    return "\n".join([*lines, NOTICE, ""])


def _describe_limit(limit: float | None) -> str:
    return "not measured" if limit is None else f"refused above {limit:.4g}"


def _describe_output(output: "OutputSpec") -> str:
    told = f"logit {output.logit} of class {output.high_means_class}"
    told += "" if output.map is None else f", map {output.map}"
    return told + ("" if output.features is None else f", features {output.features}")


def _describe_reading(reading: "Reading") -> list[str]:
    logit = (
        f"{reading.offset:+.4g} {reading.whole_weight:+.4g} whole "
        f"{reading.tile_weight:+.4g} tiles {-reading.map_weight:+.4g} highest cell"
    )
    lines = [f"reading {reading.name}, temperature {reading.temperature:.4g}, logit {logit}"]
    lines += [
        f"  tiles of {spec.share:.0%} of a film of at most {spec.film_px} px, overlap "
        f"{spec.overlap:.0%}: {spec.most} on a square film"
        for spec in reading.tiles
    ]
    for point in reading.operating_points:
        lines += [f"  {line}" for line in _describe_operating_point(point)]
    return lines


def _describe_operating_point(point: OperatingPoint) -> list[str]:
    lines = [
        f"operating point {point.name}: {point.chosen_for}, on {point.chosen_on}",
        f"  no_fracture below {point.no_fracture_below:.4f}",
        f"  fracture from {point.fracture_from:.4f}",
    ]
    for name, share in (("sensitivity", point.sensitivity), ("specificity", point.specificity)):
        interval = f"95 % {share.low:.3f} to {share.high:.3f}, n {share.n}"
        lines.append(f"  {name} {share.value:.3f} ({interval})")
    return lines


def main() -> None:
    """Entry point of the console script."""
    app()
