"""Codes of the result objects, from the context groups of PS3.16."""

from typing import Final

from bonefx_edge.inference.decision import State
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

Code = tuple[str, str, str]
"""Code Value, Coding Scheme Designator, Code Meaning."""

REPORT: Final = ("126000", "DCM", "Imaging Measurement Report")
LANGUAGE: Final = ("121049", "DCM", "Language of Content Item and Descendants")
ENGLISH: Final = ("en", "RFC5646", "English")
OBSERVER_TYPE: Final = ("121005", "DCM", "Observer Type")
DEVICE: Final = ("121007", "DCM", "Device")
DEVICE_UID: Final = ("121012", "DCM", "Device Observer UID")
DEVICE_NAME: Final = ("121013", "DCM", "Device Observer Name")
DEVICE_MANUFACTURER: Final = ("121014", "DCM", "Device Observer Manufacturer")
DEVICE_MODEL: Final = ("121015", "DCM", "Device Observer Model Name")
PROCEDURE: Final = ("121058", "DCM", "Procedure reported")
RADIOGRAPHY: Final = ("168537006", "SCT", "Plain radiography")
IMAGE_LIBRARY: Final = ("111028", "DCM", "Image Library")
IMAGE_GROUP: Final = ("126200", "DCM", "Image Library Group")
MEASUREMENTS: Final = ("126010", "DCM", "Imaging Measurements")
GROUP: Final = ("125007", "DCM", "Measurement Group")
TRACKING_ID: Final = ("112039", "DCM", "Tracking Identifier")
TRACKING_UID: Final = ("112040", "DCM", "Tracking Unique Identifier")
FINDING: Final = ("121071", "DCM", "Finding")
FRACTURE: Final = ("72704001", "SCT", "Fracture")
CERTAINTY: Final = ("111012", "DCM", "Certainty of Finding")
PERCENT: Final = ("%", "UCUM", "Percent")
ALGORITHM_NAME: Final = ("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION: Final = ("111003", "DCM", "Algorithm Version")
ALGORITHM_MANUFACTURER: Final = ("122405", "DCM", "Algorithm Manufacturer")
ALGORITHM_PARAMETERS: Final = ("111002", "DCM", "Algorithm Parameters")
ALGORITHM_FAMILY: Final = ("111000", "DCM", "Algorithm Family")
ARTIFICIAL_INTELLIGENCE: Final = ("123110", "DCM", "Artificial Intelligence")
IMAGE_REGION: Final = ("111030", "DCM", "Image Region")
SOURCE: Final = ("260753009", "SCT", "Source")
SOURCE_IMAGE: Final = ("121322", "DCM", "Source image for image processing operation")
COMMENT: Final = ("121106", "DCM", "Comment")

OF_STATE: Final[dict[State, Code]] = {
    State.FRACTURE: ("415684004", "SCT", "Suspected"),
    State.UNCERTAIN: ("82334004", "SCT", "Indeterminate"),
    # Of the test, CID 250. "Absent" (272519000) would be a statement about the patient.
    State.NO_FRACTURE: ("260385009", "SCT", "Negative"),
    State.REFUSED: ("373121007", "SCT", "Not Evaluated"),
}
"""Value of the evaluation "Fracture" for each state."""


def coded(code: Code) -> Sequence:
    """Return a code sequence of one item (PS3.3 section 8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return Sequence([item])
