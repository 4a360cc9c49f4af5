"""The conformance statement is what the node offers."""

from pathlib import Path

import pytest
from bonefx_dicom.implementation import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from bonefx_dicom.listener import node, store
from bonefx_dicom.listener.node import offered_contexts
from bonefx_dicom.sender.archive import CLASSES

TEXT = (Path(__file__).parents[2] / "docs" / "dicom-conformance.md").read_text()


def test_every_class_and_every_transfer_syntax_is_listed():
    contexts = offered_contexts(secondary_capture=True)
    classes = {str(each.abstract_syntax) for each in contexts}
    syntaxes = {str(syntax) for each in contexts for syntax in each.transfer_syntax or ()}
    written = TEXT.replace(", .81", ", 1.2.840.10008.1.2.4.81").replace(
        ", .91", ", 1.2.840.10008.1.2.4.91"
    )
    cells = {cell.strip() for cell in written.replace(",", "|").split("|")}
    assert classes | syntaxes <= cells
    assert {str(IMPLEMENTATION_CLASS_UID), IMPLEMENTATION_VERSION_NAME} <= cells


@pytest.mark.parametrize("name", [n for n in vars(store) if n.isupper() and n[0] != "_"])
def test_every_status_is_listed(name):
    assert f"| {getattr(store, name):04X} |" in TEXT


def test_every_class_that_is_proposed_is_listed():
    for sop_class in CLASSES:
        assert f"| {sop_class} | Explicit VR Little Endian | SCU |" in TEXT


def test_the_times_are_those_of_the_node():
    assert f"after the connection | {node.ACSE_TIMEOUT_S:.0f} s |" in TEXT
    assert f"without a PDU | {node.IDLE_TIMEOUT_S:.0f} s," in TEXT
