"""Results of version 1 in the form of version 2."""

import pytest
from bonefx_edge.watch.result_upgrade import SCHEMA, SCHEMA_V1, upgrade
from example_findings import ANSWERED


def old(state, class_index):
    finding = {
        "schema": "bonefx.finding/1", "path": "film.png", "sha256": "ab", "state": state,
        "reason": None, "detail": None, "p_fracture": 0.4, "class_index": class_index,
        "reading": "closer", "places": [], "operating_point": "balanced",
        "model": {"name": "lite0", "version": "0.4.0", "sha256": "cd"}, "runtime": "tflite",
        "gray_mapping": None, "timings_ms": {"gate": 1.0}, "notice": "",
    }  # fmt: skip
    words = {"sha256": "ab", "received": "", "decided": "", "answered_by": ""}
    return {"schema": SCHEMA_V1, **words, "finding": finding}


def test_an_old_result_has_the_keys_of_a_new_one():
    new = upgrade(old("fracture", 0))
    assert new["schema"] == SCHEMA
    assert set(new["finding"]) == set(ANSWERED.to_dict())
    assert upgrade(new) == new


@pytest.mark.parametrize(
    ("state", "before", "after"),
    [("fracture", 1, 0), ("no_fracture", 0, 1), ("uncertain", 1, None), ("refused", None, None)],
)
def test_the_class_of_an_old_result_follows_its_state(state, before, after):
    assert upgrade(old(state, before))["finding"]["class_index"] == after
