"""What `edge-page serve` refuses."""

from pathlib import Path

import pytest
from bonefx_edge.errors import UsageError
from bonefx_page.settings import Settings, check, default_folders

OUT = Path("out")


@pytest.mark.parametrize(
    "name", ["*", "*.clinic.example", "bonefx.example:8443", "https://bonefx.example", ""]
)
def test_a_name_that_is_no_host_name_would_answer_all_or_none(name) -> None:
    with pytest.raises(UsageError, match="expected a host name"):
        check(Settings(out=OUT, **default_folders(OUT), names=(name,)))


@pytest.mark.parametrize("name", ["bonefx.clinic.example", "Device-7", "192.168.1.20"])
def test_names_and_addresses_are_taken(name) -> None:
    check(Settings(out=OUT, **default_folders(OUT), names=(name,)))
