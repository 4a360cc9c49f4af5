"""DICOM Anatomic Region Sequence: the body part as a code."""

import pytest
from bonefx_edge.decode import decode
from bonefx_edge.errors import DecodeError, Reason
from bonefx_edge.inference.input_check import check_input
from image_files import dicom_file, gray_film
from pydicom.dataset import Dataset
from toy import TOY_INPUT_CHECK


def region(value, meaning, scheme="SCT"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


def film(**elements):
    return decode(dicom_file(gray_film(200, 160), **elements))


def test_code_and_meaning_are_read_in_capitals():
    radiograph = film(AnatomicRegionSequence=region("T-D8700", "Hand", "SRT"))
    assert radiograph.anatomic_region == ("T-D8700", "HAND")


@pytest.mark.parametrize("sequence", [None, []])
def test_a_film_without_a_region_has_none(sequence):
    assert film(AnatomicRegionSequence=sequence).anatomic_region == ()


@pytest.mark.parametrize(
    ("value", "meaning", "named"),
    [
        ("816094009", "", "816094009"),
        ("T-D3000", "Chest", "T-D3000"),
        ("1234", "Thorax", "THORAX"),  # a code of the hospital
    ],
)
def test_a_region_out_of_scope_is_refused_whatever_body_part_says(value, meaning, named):
    radiograph = film(AnatomicRegionSequence=region(value, meaning), BodyPartExamined="EXTREMITY")
    with pytest.raises(DecodeError) as caught:
        check_input(radiograph, spec=TOY_INPUT_CHECK)
    assert caught.value.reason is Reason.OUT_OF_SCOPE
    assert f"names {named} as the body part" in str(caught.value)
