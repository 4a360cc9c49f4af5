"""From a converted network to a model file on disk, opened again with the device's own loader."""

import dataclasses
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from bonefx_edge import __version__
from bonefx_edge.inference.input_check import InputCheckSpec
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.manifest import FORMAT_VERSION, Manifest, Provenance
from bonefx_edge.model.model_file import ModelFile, check_tensors, write_model_file
from bonefx_train.errors import ParityError
from bonefx_train.evaluation.evaluate import evaluate
from bonefx_train.evaluation.tiled_predictions import NetworkInputs
from bonefx_train.text_file import write_text
from numpy.typing import NDArray

from bonefx_convert.flatbuffer import Kind
from bonefx_convert.origin import Origin
from bonefx_convert.variants import Variant

if TYPE_CHECKING:
    from bonefx_convert.parity.report import ParityReport

LABELS: Final = ("broken", "not broken")
"""Names of class 0 and class 1, as the original presentation prints them."""

REPORT_SUFFIXES: Final = (".json", ".md")


@dataclass(frozen=True, slots=True)
class Options:
    """What a person decides about a conversion."""

    out: Path
    """Folder of the model files."""
    name: str
    """Of the model."""
    version: str
    """Of the model."""
    training_data: str
    """Data set, licence and attribution."""
    pythons: tuple[Path, ...]
    """Pythons of other environments in which the networks are verified to run."""
    tolerances: Mapping[str, float]
    """Replace those of the network's depth, by name."""
    kinds: tuple[Kind, ...] = ()
    """Which are made; empty: those of `convert_network`."""


def build_manifest(
    variant: Variant,
    *,
    metrics: dict[str, Any],
    origin: Origin,
    options: Options,
    n_train: int,
    representative_sha256: str,
    input_check: InputCheckSpec,
) -> Manifest:
    """Return the manifest of one variant.

    `metrics`: its figures on tune, of `measure_metrics`; empty where there are no labels.
    `input_check` is without distance limit: that is each network's own.
    """
    return Manifest(
        format_version=FORMAT_VERSION,
        name=options.name,
        version=options.version,
        kind=variant.kind.value,
        flatbuffer_sha256=hashlib.sha256(variant.flatbuffer).hexdigest(),
        input=origin.spec,
        output=variant.output,
        labels=LABELS,
        modes=variant.network.modes,
        input_check=dataclasses.replace(input_check, distance_limit=variant.distance_limit),
        verified_runtimes=variant.runtimes,
        provenance=Provenance(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            network=origin.network,
            training_data=options.training_data,
            n_train=n_train,
            representative_sha256=(representative_sha256 if variant.kind is Kind.INT8 else ""),
            settings=origin.settings,
            metrics=metrics,
            converter=converter_versions(),
        ),
    )


def write_models(
    variants: Sequence[Variant],
    manifests: Sequence[Manifest],
    *,
    out: Path,
    x: NDArray[np.float32] | NDArray[np.uint8],
) -> list[Path]:
    """Write out/NAME-KIND.tflite for each variant, once all of them open; return the paths.

    Parameters
    ----------
    out
        Made if absent; the files appear in it only when all are written and opened again.
    x
        (n, height, width, 1): images on which the written file must answer as the variant did.

    Raises
    ------
    ParityError
        If a written file answers otherwise; `out` is left as it was.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside `out`, so that the renames do not cross file systems.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as name:
        staged = []
        for variant, manifest in zip(variants, manifests, strict=True):
            path = Path(name) / f"{manifest.name}-{manifest.kind}.tflite"
            write_model_file(path, flatbuffer=variant.flatbuffer, manifest=manifest)
            check_written(path, flatbuffer=variant.flatbuffer, x=x)
            staged.append(path)
        out.mkdir(exist_ok=True)
        return [path.replace(out / path.name) for path in staged]


def check_written(
    path: Path, *, flatbuffer: bytes, x: NDArray[np.float32] | NDArray[np.uint8]
) -> None:
    """Return if the file at `path` answers `x` on the device's path as `flatbuffer` does.

    Raises
    ------
    ParityError
        If a number differs at all: it is the same interpreter on the same network.
    """
    model = ModelFile.read(path)
    opened = open_interpreter(model.flatbuffer)
    check_tensors(model.manifest, input_=opened.input, outputs=opened.outputs)
    for written, converted in zip(opened.run(x), open_interpreter(flatbuffer).run(x), strict=True):
        if not np.array_equal(written, converted):
            msg = (
                f"{path.name}: expected the outputs of the converted network, got a difference of "
                f"{np.abs(written - converted).max():.3g}; this is a bug, report it"
            )
            raise ParityError(msg)


def write_report(report: "ParityReport", stem: Path) -> None:
    """Write the report as STEM.json and STEM.md."""
    texts = (report.to_json(), report.to_markdown())
    stem.parent.mkdir(parents=True, exist_ok=True)
    for suffix, text in zip(REPORT_SUFFIXES, texts, strict=True):
        write_text(stem.with_name(f"{stem.name}{suffix}"), text)


def measure_metrics(variant: Variant, tune: NetworkInputs) -> dict[str, Any]:
    """Return each figure of the default mode on tune, which chose the operating point.

    With n and 95 % interval.
    """
    scored, samples = variant.network.score(tune)[0], tune.images.samples
    evaluation = evaluate(
        scored.p_fracture, samples, operating_point=scored.operating_point, split="tune"
    )
    figures = {
        figure.name: {"value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n}
        for figure in evaluation.rows[0].figures
    }
    return {
        "split": "tune",
        "mode": scored.mode,
        "operating_point": scored.operating_point.name,
        "figures": figures,
    }


def converter_versions() -> str:
    """Return the versions of what writes a model file."""
    import tensorflow as tf

    return f"bonefx {__version__}, tensorflow {tf.__version__}"
