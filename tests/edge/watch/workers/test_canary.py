"""A canary film that is answered otherwise than before must be noticed."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.bundled import bundled_models
from bonefx_edge.model.model_file import ModelFile
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.workers.canary import CANARY, EXPECTED_PATH, P_TOLERANCE, Canary

SHIPPED = json.loads(EXPECTED_PATH.read_text())
KEY, SHIPPED_P = next(iter(SHIPPED.items()))
SHIPPED_SHA256, SHIPPED_MODE = KEY.split()


@pytest.fixture(name="journal")
def _journal(tmp_path):
    with Journal.open(tmp_path, owner=True) as journal:
        yield journal


@pytest.fixture(name="canary")
def _canary(journal):
    return Canary(journal, clock=lambda: 5.0)


def finding(p=0.7, *, state="fracture", reason=None, model="other", mode="whole"):
    return {
        "state": state, "reason": reason, "p_fracture": p,
        "model": {"sha256": model}, "mode": mode,
    }  # fmt: skip


def verify(canary, result, *, environment="these libraries"):
    canary.verify(result, predictor="this model", environment=environment)
    return canary.is_healthy


def test_nothing_speaks_against_a_device_that_was_not_asked_yet(canary):
    assert canary.is_healthy
    assert canary.last_passed is None


def test_the_first_answer_is_kept_and_the_same_one_is_right_also_after_a_restart(journal, canary):
    assert verify(canary, finding(0.7))
    later = Canary(journal, clock=lambda: 6.0)
    assert verify(later, finding(0.7))
    assert later.last_passed == 6.0
    assert not verify(later, finding(0.7 + 2 * P_TOLERANCE))


@pytest.mark.parametrize(
    "other",
    [
        finding(0.7 + 2 * P_TOLERANCE),
        finding(0.7 - 2 * P_TOLERANCE),
        finding(0.7, state="uncertain"),
        finding(None, state="refused", reason="not_a_radiograph"),
        None,  # no answer: it ended the worker, or the file is not what it was
    ],
)
def test_another_answer_than_the_first_is_wrong_until_the_right_one_comes(canary, other):
    verify(canary, finding(0.7))
    assert not verify(canary, other)
    assert verify(canary, finding(0.7))


def test_a_refusal_for_another_reason_is_another_answer(canary):
    assert verify(canary, finding(None, state="refused", reason="not_a_radiograph"))
    assert not verify(canary, finding(None, state="refused", reason="blank"))


def test_other_libraries_begin_anew(canary):
    assert verify(canary, finding(0.7))
    assert verify(canary, finding(0.5), environment="newer libraries")
    assert not verify(canary, finding(0.7), environment="newer libraries")


def test_a_shipped_model_must_answer_near_what_it_was_shipped_with_even_the_first_time(canary):
    far = finding(0.01, model=SHIPPED_SHA256, mode=SHIPPED_MODE)
    assert not verify(canary, far)
    near = finding(SHIPPED_P + 0.05, model=SHIPPED_SHA256, mode=SHIPPED_MODE)
    assert verify(canary, near)


def test_a_wrong_answer_is_never_kept_as_the_first(canary):
    far = finding(0.01, model=SHIPPED_SHA256, mode=SHIPPED_MODE)
    verify(canary, far)
    assert not verify(canary, far)


def test_a_shipped_model_that_refuses_the_canary_is_wrong(canary):
    none = finding(None, state="refused", reason="blank", model=SHIPPED_SHA256, mode=SHIPPED_MODE)
    assert not verify(canary, none)


def test_the_film_is_the_one_whose_hash_is_known():
    data = Path(os.fsdecode(CANARY.path)).read_bytes()
    assert hashlib.sha256(data).hexdigest() == CANARY.sha256


def test_every_shipped_model_and_mode_that_opens_here_answers_near_what_is_written(canary):
    """Written by make_canary.py under LiteRT; here whichever interpreter is installed."""
    runtime = Classifier.load(bundled_models()["seed-float32"]).runtime.name
    judged = set()
    for path in bundled_models().values():
        manifest = ModelFile.read(path).manifest
        if runtime not in {proved.name for proved in manifest.verified_runtimes}:
            continue
        for mode in manifest.modes:
            classifier = Classifier.load(path, mode=mode.name)
            record = classifier.classify(Path(os.fsdecode(CANARY.path))).to_dict()
            key = f"{record['model']['sha256']} {mode.name}"
            assert verify(canary, record, environment=key), f"{path.stem} {mode.name}"
            judged.add(key)
    assert judged <= set(SHIPPED)
    assert len(judged) >= 6
