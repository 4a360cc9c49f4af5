"""Which films each figure of the quantization cost is over, and which models are compared."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.errors import Reason
from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.studies import pages, quantization_cost
from bonefx_train.studies.quantization_cost import Scored
from example_findings import ANSWERED, REFUSED
from toy import toy_path


def films(*parts: str) -> tuple[Sample, ...]:
    """Return films by turns fractured and not, each its own group."""
    labels = [Label.FRACTURED, Label.NOT_FRACTURED] * len(parts)
    return tuple(
        Sample(Path(f"{i}"), f"{i}", label, f"{i}", "test", part, hardware=False)
        for i, (part, label) in enumerate(zip(parts, labels, strict=False))
    )


def scored(
    answers: Sequence[float | Reason] = (0.5,),
    *,
    network: str = "toy",
    kind: str = "int8",
) -> Any:
    """Return a model that gave these p_fracture, or these reasons."""
    findings = tuple(
        dataclasses.replace(REFUSED, reason=answer)
        if isinstance(answer, Reason)
        else dataclasses.replace(ANSWERED, p_fracture=answer)
        for answer in answers
    )
    classifier = Classifier.load(toy_path("tiled-int8"))
    manifest = dataclasses.replace(classifier.manifest, name=network, kind=kind)
    stand_in = dataclasses.make_dataclass("StandIn", ["manifest", "operating_point", "mode"])
    of = stand_in(manifest, classifier.operating_point, classifier.mode)
    return Scored(f"{network}-{kind}", kind, of, findings)


SAMPLES = films("hand", "hand", "hand", "hand", "leg")
FLOAT = (0.9, 0.2, 0.8, 0.1, 0.7)
OTHER = (0.9, 0.2, 0.3, Reason.TOO_SMALL, Reason.BLANK)


def test_what_one_model_refused_is_in_the_figures_of_the_other() -> None:
    first, second = scored(FLOAT, kind="float32"), scored(OTHER)
    of = [
        quantization_cost.measure(s, SAMPLES, split="test", baseline_auc=None)
        for s in (first, second)
    ]
    assert [evaluation.rows[0].n for evaluation in of] == [5, 3]
    assert [evaluation.refused for evaluation in of] == [
        (),
        (("3", Reason.TOO_SMALL.value), ("4", Reason.BLANK.value)),
    ]


def test_two_models_are_compared_on_the_films_that_both_answered() -> None:
    first = scored((Reason.BLANK, *FLOAT[1:]), kind="float32")
    compared = quantization_cost.compare(scored(OTHER), first, SAMPLES)
    assert (compared["films"], compared["answered_by_one"]) == (2, 3)
    assert compared["largest_p_change"] == pytest.approx(0.5)
    assert compared["reference"] == "toy-float32"


def test_models_that_answered_no_film_in_common_stop_the_run() -> None:
    first = scored((0.5, Reason.BLANK))
    with pytest.raises(DataError, match="no film was answered by both"):
        quantization_cost.compare(scored((Reason.BLANK, 0.5)), first, SAMPLES[:2])


def test_a_model_is_held_against_the_first_float_kind_of_its_own_network() -> None:
    kinds = [("a", "int8"), ("b", "dynamic"), ("a", "float16"), ("b", "float32"), ("a", "float32")]
    kinds += [("c", "int8"), ("c", "dynamic"), ("d", "int8")]
    models = [scored(network=network, kind=kind) for network, kind in kinds]
    assert [(one.name, reference.name) for one, reference in quantization_cost.pair(models)] == [
        ("a-int8", "a-float32"),
        ("b-dynamic", "b-float32"),
        ("a-float16", "a-float32"),
        ("c-dynamic", "c-int8"),  # without a float kind, the first of the network
    ]


def test_the_page_gives_each_model_the_number_of_its_own_films(tmp_path: Path) -> None:
    models = [scored(FLOAT, kind="float32"), scored(OTHER)]
    pairs = quantization_cost.pair(models)
    report = {
        "data": "toys",
        "modes": ["whole"],
        "models": [
            {"name": "toy", "version": "1", "sha256": "ab" * 32, "kind": model.kind}
            for model in models
        ],
        "evaluations": [
            quantization_cost.measure(model, SAMPLES, split="test", baseline_auc=None)
            for model in models
        ],
        "comparisons": [quantization_cost.compare(*each, SAMPLES) for each in pairs],
    }
    pages.write(tmp_path, "quantization_cost", report)
    page = (tmp_path / "quantization_cost.md").read_text().splitlines()
    tail = "1 `abababababab` | balanced"
    assert any(line.startswith(f"| toy-float32 {tail} | 5 | 3 | 0 | 1.000") for line in page)
    assert any(line.startswith(f"| toy-int8 {tail} | 3 | 2 | 2 | 1.000") for line in page)
    hands = [line for line in page if line.startswith("| hand ")]
    assert [line.split(" | ")[1:3] for line in hands] == [["4", "2"], ["3", "2"]]
    (leg,) = (line for line in page if line.startswith("| leg "))
    assert leg.startswith("| leg | 1 | 1 | 1 | undefined |")
    quantization_cost.draw(tmp_path / "quantization_cost.png", pairs, SAMPLES)
    assert (tmp_path / "quantization_cost.png").read_bytes()[:4] == b"\x89PNG"
