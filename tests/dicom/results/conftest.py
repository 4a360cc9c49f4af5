"""What the tests of result objects share."""

import hashlib
import subprocess
from dataclasses import replace

import pytest
from bonefx_edge.inference.decision import Caution, State
from example_findings import ANSWERED, REFUSED

FINDINGS = {
    "fracture": ANSWERED,
    "uncertain": replace(ANSWERED, state=State.UNCERTAIN, p_fracture=0.5, site_profile=None),
    "unfamiliar": replace(
        ANSWERED,
        state=State.UNCERTAIN,
        caution=Caution.UNFAMILIAR,
        detail="Unlike the films that this model was made with (distance 2.70, limit 1.30). "
        "Read it by eye.",
        p_fracture=0.1,
        regions=(),
    ),
    "no_fracture": replace(ANSWERED, state=State.NO_FRACTURE, p_fracture=0.1, regions=()),
    "refused": REFUSED,
}


def record_of(data, finding):
    """Return a finding as JSON, for the film in `data`."""
    return replace(finding, sha256=hashlib.sha256(data).hexdigest()).to_dict()


@pytest.fixture(name="errors_of")
def _errors_of(tmp_path):
    """Return what finds the errors of dciodvfy (Debian's dicom3tools) in an object."""

    def validate(data):
        path = tmp_path / "object.dcm"
        path.write_bytes(data)
        done = subprocess.run(["dciodvfy", path], capture_output=True, check=False)  # noqa: S607
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        assert lines, "dciodvfy says at least the name of the IOD"
        return [line for line in lines if line.startswith("Error")]

    return validate
