"""The patient's age: stated, or by dates; what is no age is none, and never an error."""

import pytest
from bonefx_edge.decode.reader import decode
from image_files import dicom_file, gray_film


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("elements", "years"),
    [
        ({}, None),
        ({"PatientAge": "045Y"}, 45),
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientAge": "000D"}, 0),
        ({"PatientAge": "000Y"}, 0),
        ({"PatientAge": "999Y"}, None),
        ({"PatientAge": "unknown"}, None),
        ({"PatientBirthDate": "20100501", "StudyDate": "20260430"}, 15),
        ({"PatientBirthDate": "20100501", "StudyDate": "20260501"}, 16),
        ({"PatientBirthDate": "2010.05.01", "StudyDate": "2026.05.01"}, 16),
        ({"PatientBirthDate": "20260501", "StudyDate": "20260501"}, 0),
        ({"PatientBirthDate": "20260502", "StudyDate": "20260501"}, None),  # born after the film
        ({"PatientBirthDate": "18580101", "StudyDate": "20260501"}, None),  # a stand-in
        ({"PatientBirthDate": "20100501"}, None),
        ({"PatientBirthDate": "", "StudyDate": "20260501"}, None),
        ({"PatientBirthDate": "20100532", "StudyDate": "20260501"}, None),
        # What is stated counts, and of the dates the one closest to the exposure.
        ({"PatientAge": "030Y", "PatientBirthDate": "20100501", "StudyDate": "20260501"}, 30),
        ({"PatientAge": "030", "PatientBirthDate": "20100501", "StudyDate": "20260501"}, 16),
        (
            {
                "PatientBirthDate": "20100501",
                "AcquisitionDate": "20200501",
                "StudyDate": "20260501",
            },
            10,
        ),
    ],
)
def test_the_age_of_a_header(elements, years) -> None:
    assert decode(dicom_file(gray_film(), **elements)).age_years == years
