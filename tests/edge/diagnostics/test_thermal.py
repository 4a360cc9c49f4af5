"""The temperature of the processor."""

import pytest
from bonefx_edge.check import CheckStatus
from bonefx_edge.diagnostics.board import check_temperature
from fake_sysfs import write_zones

ZONES = [
    # a Raspberry Pi, whose only zone it is
    ([("cpu-thermal", "48312")], "48.3 C (cpu-thermal)"),
    # another board: its power chip is hotter, and is not what slows it
    ([("pmic-thermal", "95000"), ("soc-thermal", "51000")], "51.0 C (soc-thermal)"),
    # Intel: the package, not the case (acpitz), nor a radio that is off and cannot be read
    (
        [("acpitz", "27800"), ("x86_pkg_temp", "61000"), ("iwlwifi_1", "No data available")],
        "61.0 C (x86_pkg_temp)",
    ),
    # two clusters of cores: the hotter one
    ([("cpu0-thermal", "52000"), ("cpu1-thermal", "57000")], "57.0 C (cpu1-thermal)"),
    # no name that we know: the hottest that can be true
    ([("a", "40000"), ("b", "44000"), ("c", "255000"), ("d", "-274000")], "44.0 C (b)"),
    # a cold shed
    ([("cpu-thermal", "-3500")], "-3.5 C (cpu-thermal)"),
]


@pytest.mark.parametrize(("zones", "found"), ZONES, ids=[found for _, found in ZONES])
def test_the_temperature_is_that_of_the_processor(zones, found, tmp_path) -> None:
    write_zones(tmp_path, *zones)
    check = check_temperature(tmp_path)
    assert (check.status, check.found, check.remedy) == (CheckStatus.OK, found, "")


@pytest.mark.parametrize(
    ("millidegrees", "health", "words"),
    [
        ("79999", CheckStatus.OK, "80.0 C"),
        ("80000", CheckStatus.WARN, "its cores from 80 C"),
        ("84999", CheckStatus.WARN, "its cores from 80 C"),
        ("85000", CheckStatus.WARN, "everything from 85 C"),
    ],
)
def test_heat_that_slows_the_board_is_told(millidegrees, health, words, tmp_path) -> None:
    write_zones(tmp_path, ("cpu-thermal", millidegrees))
    check = check_temperature(tmp_path)
    assert check.status is health
    assert words in check.found
    assert ("heat sink or fan" in check.remedy) == (health is CheckStatus.WARN)


@pytest.mark.parametrize("temp", ["", "hot", "48.3", "-274000", "126000", "9" * 5000, "\x00"])
def test_a_processor_that_says_nothing_plausible_is_told_with_what_it_said(temp, tmp_path) -> None:
    """The sensor beside it, which is none of the processor's, does not stand in for it."""
    write_zones(tmp_path, ("cpu-thermal", temp), ("battery", "30000"))
    check = check_temperature(tmp_path)
    assert check.status is CheckStatus.WARN
    assert check.found == f"cpu-thermal: {temp[:40]!r}"
    assert check.remedy


def test_bytes_that_are_no_text_are_told(tmp_path) -> None:
    write_zones(tmp_path, ("cpu-thermal", "0"))
    (tmp_path / "class/thermal/thermal_zone0/temp").write_bytes(b"\xff\xfe")
    assert check_temperature(tmp_path).status is CheckStatus.WARN


def test_files_that_cannot_be_read_are_told(tmp_path) -> None:
    folder = tmp_path / "class/thermal/thermal_zone0"
    (folder / "temp").mkdir(parents=True)
    check = check_temperature(tmp_path)
    assert check.status is CheckStatus.WARN
    assert "'unreadable: Is a directory'" in check.found
    assert "unreadable: No such file or directory: " in check.found


def test_a_machine_without_sensors_has_the_line_and_it_is_well(tmp_path) -> None:
    check = check_temperature(tmp_path)
    assert (check.status, check.found) == (CheckStatus.OK, "not known: no sensor")
