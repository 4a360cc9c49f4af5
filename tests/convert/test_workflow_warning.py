"""Parity says that copies are alike, not that the original knows anything."""

import dataclasses
import logging

import pytest
from bonefx_convert.convert_network import _warn_of_chance
from bonefx_edge.model.model_file import ModelFile
from toy import toy_path

pytestmark = pytest.mark.host


@pytest.mark.parametrize(("low", "warned"), [(0.5, True), (0.41, True), (0.51, False)])
def test_a_network_not_above_chance_is_warned_of(caplog, low, warned) -> None:
    toy = ModelFile.read(toy_path("int8")).manifest
    figures = {"figures": {"auc": {"value": 0.6, "low": low, "high": 0.7, "n": 40}}}
    provenance = dataclasses.replace(toy.provenance, metrics=figures)
    with caplog.at_level(logging.WARNING):
        _warn_of_chance([dataclasses.replace(toy, provenance=provenance)])
    assert ("do not deploy" in caplog.text) == warned
