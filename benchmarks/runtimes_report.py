"""Differences between interpreters and machines on the same films, from files of runtimes.py.

    python -m benchmarks.runtimes_report FILE... [--model FILE ...] [--out benchmarks/reference]

The first file is the first column. Writes runtimes.json and runtimes.md. Exits with 1, and names
the reason, if pixels differ on one kind of processor, if a float kind differs by more than 1e-3 in
the logit on films with the same pixels, if a film is `fracture` in one column and `no_fracture` in
another, or if an `uncertain` band does not contain the spread. No label is used. --model: model
files that do not come with the package. All logits are of "not broken", before temperature.
"""

import hashlib
import itertools
import json
import math
import string
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.inference.decision import OperatingPoint, State, decide
from bonefx_edge.inference.tiling import InferenceMode
from bonefx_edge.model.bundled import bundled_models
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile
from bonefx_train.markdown import open_templates
from numpy.typing import NDArray

FLOAT_LOGIT = 1e-3
"""|difference| that a float kind may show on the same pixels: sums of float32 in another order. A
pixel that is another gray level on another processor moves it by more: counted, no error."""
NAMES = {"ai_edge_litert": "LiteRT", "tflite_runtime": "tflite-runtime"}
OPPOSITE = {State.FRACTURE, State.NO_FRACTURE}
CAVEAT = (
    "Columns that say qemu-user were computed by an emulated processor: what they say of numbers"
    " holds for a board as far as the emulator is exact; of time they say nothing."
)


@dataclass(frozen=True, slots=True)
class Column:
    """What one interpreter on one machine said of n films."""

    name: str
    machine: str
    """Kind of processor, such as aarch64."""
    logits: NDArray[np.float64]
    """(n,); NaN for a film that was refused."""
    pixels: tuple[str | None, ...]
    """Hashes of what the network was shown; None for a film that was refused."""


@dataclass(frozen=True, slots=True)
class Table:
    """One model and mode, in every column."""

    model: ModelFile
    mode: InferenceMode
    films: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        return f"{self.model.manifest.name}-{self.model.manifest.kind}, {self.mode.name}"

    @property
    def logits(self) -> NDArray[np.float64]:
        """(columns, n)."""
        return np.array([column.logits for column in self.columns])

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(n,): answered in every column."""
        return ~np.isnan(self.logits).any(axis=0)

    @property
    def step(self) -> float:
        """How far the image's logit moves if each output moves by one step; 0 for float."""
        output = open_interpreter(self.model.flatbuffer).outputs[self.model.manifest.output.logit]
        return output.scale * (self.mode.whole_weight + self.mode.tile_weight)


def column_name(report: dict[str, Any], result: dict[str, Any]) -> str:
    """Return runtime, version and machine, in words."""
    runtime = result["runtime"]
    name = f"{NAMES[runtime['name']]} {runtime['version']}, {report['machine']}"
    return f"{name} ({report['place']})" if report["place"] else name


def gather(reports: Sequence[dict[str, Any]], models: dict[str, ModelFile]) -> list[Table]:
    """Return a table for each model and mode, in the order of the reports."""
    found: dict[tuple[str, str], list[tuple[str, str, list[dict[str, Any]]]]] = {}
    for report in reports:
        for result in report["results"]:
            key = (result["sha256"], result["mode"])
            column = (column_name(report, result), report["machine"], result["films"])
            found.setdefault(key, []).append(column)
    tables = []
    for (sha256, mode), columns in found.items():
        if sha256 not in models:
            sys.exit(f"error: expected a known model, got sha256 {sha256}; name its file: --model")
        films = [tuple(row["film"] for row in rows) for _, _, rows in columns]
        names = [name for name, _, _ in columns]
        if len(set(films)) > 1 or len(set(names)) < len(names):
            sys.exit(f"error: expected the same films in different columns, see {names}")
        model = models[sha256]
        made = [
            Column(
                name,
                machine,
                np.array([row["logit"] for row in rows], np.float64),
                tuple(row["pixels"] for row in rows),
            )
            for name, machine, rows in columns
        ]
        tables.append(Table(model, model.manifest.mode(mode), films[0], tuple(made)))
    return tables


def pairs(table: Table) -> Iterator[dict[str, Any]]:
    """Yield how far apart each two columns are on the films that both answered."""
    for a, b in itertools.combinations(table.columns, 2):
        sizes = np.abs(a.logits - b.logits)
        both = ~np.isnan(sizes)
        same = np.array([x == y for x, y in zip(a.pixels, b.pixels, strict=True)])
        alike = sizes[both & same]
        sizes = sizes[both]
        yield {
            "columns": [a.name, b.name],
            "same_machine": a.machine == b.machine,
            "films": len(sizes),
            "max": round(float(sizes.max()), 9),
            "p99": round(float(np.percentile(sizes, 99)), 9),
            "max_steps": round(float(sizes.max()) / table.step, 2) if table.step else None,
            "other_logit": int((sizes > FLOAT_LOGIT).sum()),
            "other_pixels": int((both & ~same).sum()),
            "max_same_pixels": round(float(alike.max()), 9) if alike.size else None,
            "answered_by_one": int((np.isnan(a.logits) ^ np.isnan(b.logits)).sum()),
        }


def at_point(table: Table, point: OperatingPoint, *, spread: float) -> dict[str, Any]:
    """Return the band of one operating point, and the films whose state is not one everywhere."""
    temperature = table.mode.temperature
    low, high = (
        math.log(p) - math.log1p(-p) for p in (point.no_fracture_below, point.fracture_from)
    )
    band = (high - low) * temperature
    flips = []
    for index in np.flatnonzero(table.answered):
        logits = table.logits[:, index]
        states = [
            decide(float(x), temperature=temperature, operating_point=point).state for x in logits
        ]
        if len(set(states)) > 1:
            film = {"film": table.films[index], "states": states}
            flips.append(film | {"logits": np.round(logits, 4).tolist()})
    return {
        "operating_point": point.name,
        "band": round(band, 4),
        "contains_spread": bool(spread < band),
        "flips": len(flips),
        "opposite": sum(set(flip["states"]) >= OPPOSITE for flip in flips),
        "films": flips,
    }


def summarize(table: Table) -> dict[str, Any]:
    """Return all figures of one table."""
    logits = table.logits[:, table.answered]
    spreads = np.ptp(logits, axis=0)
    spread = float(spreads.max())
    some = ~table.answered & ~np.isnan(table.logits).all(axis=0)
    return {
        "model": {
            "name": f"{table.model.manifest.name}-{table.model.manifest.kind}",
            "version": table.model.manifest.version,
            "sha256": table.model.sha256,
        },
        "mode": table.mode.name,
        "columns": [column.name for column in table.columns],
        "films": len(table.films),
        "films_sha256": hashlib.sha256("\n".join(table.films).encode()).hexdigest(),
        "answered_by_all": int(table.answered.sum()),
        "refused_by_all": int(np.isnan(table.logits).all(axis=0).sum()),
        "refused_by_some": [
            {
                "film": table.films[index],
                "answered": (~np.isnan(table.logits[:, index])).tolist(),
                "logits": _numbers(table.logits[:, index]),
            }
            for index in np.flatnonzero(some)
        ],
        "step": round(table.step, 6),
        "spread": {
            "max": round(spread, 9),
            "p99": round(float(np.percentile(spreads, 99)), 9),
            "median": round(float(np.median(spreads)), 9),
            "max_steps": round(spread / table.step, 2) if table.step else None,
        },
        "pairs": list(pairs(table)),
        "operating_points": [
            at_point(table, point, spread=spread) for point in table.mode.operating_points
        ],
        "logits": {column.name: _numbers(column.logits) for column in table.columns},
    }


def _numbers(logits: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(x) else round(x, 6) for x in logits.tolist()]


def failures(summary: dict[str, Any], *, kind: str) -> Iterator[str]:
    """Yield a sentence for each thing that must not be."""
    name = f"{summary['model']['name']}, {summary['mode']}"
    for pair in summary["pairs"]:
        if pair["other_pixels"] and pair["same_machine"]:
            yield f"{name}: {pair['other_pixels']} films have other pixels in {pair['columns']}"
        largest = pair["max_same_pixels"]
        if "float" in kind and largest is not None and largest > FLOAT_LOGIT:
            yield f"{name}: expected at most {FLOAT_LOGIT}, got {largest} in {pair['columns']}"
    for point in summary["operating_points"]:
        of = f"{name}, {point['operating_point']}"
        if not point["contains_spread"]:
            yield f"{of}: band {point['band']} is not wider than {summary['spread']['max']}"
        if point["opposite"]:
            yield f"{of}: {point['opposite']} films are called the opposite"


def markdown(tables: Sequence[dict[str, Any]], *, sets: Sequence[str], wrong: Sequence[str]) -> str:
    """Return the page of `summarize`d tables, names of the sets, and what is wrong."""
    template = open_templates(Path(__file__).parent).get_template("runtimes.md.j2")
    values = {"caveat": CAVEAT, "letters": string.ascii_uppercase}
    return template.render(tables=tables, sets=sets, wrong=wrong, **values)


def main(
    files: Annotated[list[Path], typer.Argument(help="JSON files of runtimes.py.")],
    *,
    model: Annotated[list[Path] | None, typer.Option(help="Model files not shipped.")] = None,
    out: Path = Path("benchmarks/reference"),
) -> None:
    """Compare, write, judge."""
    reports = [json.loads(path.read_text()) for path in files]
    opened = [ModelFile.read(path) for path in (*bundled_models().values(), *(model or ()))]
    tables = gather(reports, {each.sha256: each for each in opened})
    summaries = [summarize(table) for table in tables]
    sets = sorted({f"{report['data']} {report['split']}" for report in reports})
    wrong = [
        line
        for table, summary in zip(tables, summaries, strict=True)
        for line in failures(summary, kind=table.model.manifest.kind)
    ]
    text = markdown(summaries, sets=sets, wrong=wrong)
    keys = ("machine", "place", "python", "numpy", "opencv", "bonefx", "data", "split")
    environments = [
        {key: report[key] for key in keys} | {"runtime": report["results"][0]["runtime"]}
        for report in reports
    ]
    body = {"notice": NOTICE, "caveat": CAVEAT, "failures": wrong}
    body["environments"] = [e for i, e in enumerate(environments) if e not in environments[:i]]
    body["tables"] = summaries
    out.mkdir(parents=True, exist_ok=True)
    (out / "runtimes.json").write_text(json.dumps(body, allow_nan=False) + "\n")
    (out / "runtimes.md").write_text(text)
    print(text)
    if wrong:
        sys.exit("error: " + "; ".join(wrong))


if __name__ == "__main__":
    typer.run(main)
