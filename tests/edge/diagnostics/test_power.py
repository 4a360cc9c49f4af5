"""Want of voltage, and what slows the board."""

from pathlib import Path

import pytest
from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.diagnostics import board as power
from bonefx_edge.diagnostics.board import REMEDY_COOLING, REMEDY_POWER, check_power, query_firmware
from fake_sysfs import write_alarm

WELL_FED = "not undervoltage since the start"
UNSLOWED = "not frequency capped or throttled or soft temperature limit since the start"
WORDS = [
    # nothing since the start
    (0x0, WELL_FED, UNSLOWED, ("", "")),
    # bit 0 and bit 2, 16 and 18: the firmware throttles for want of voltage, so no fan helps
    (0x50005, "undervoltage now", "throttled now", (REMEDY_POWER, REMEDY_POWER)),
    # bits 16 and 18: it has been so, and is over
    (
        0x50000,
        "undervoltage since the start",
        "throttled since the start",
        (REMEDY_POWER, REMEDY_POWER),
    ),
    # bit 0 alone
    (0x1, "undervoltage now", UNSLOWED, (REMEDY_POWER, "")),
    # bits 1 and 17: heat alone
    (0x20002, WELL_FED, "frequency capped now", ("", REMEDY_COOLING)),
    # bit 17
    (0x20000, WELL_FED, "frequency capped since the start", ("", REMEDY_COOLING)),
    # bit 18
    (0x40000, WELL_FED, "throttled since the start", ("", REMEDY_COOLING)),
    # bits 3 and 19
    (0x80008, WELL_FED, "soft temperature limit now", ("", REMEDY_COOLING)),
    # bit 19
    (0x80000, WELL_FED, "soft temperature limit since the start", ("", REMEDY_COOLING)),
    # one now and another before
    (0x60002, WELL_FED, "frequency capped now, throttled since the start", ("", REMEDY_COOLING)),
    # bits that mean nothing yet
    (0xFFF0FFF0, WELL_FED, UNSLOWED, ("", "")),
]


def line(name: str, found: str, remedy: str, *, word: int) -> Check:
    if remedy:
        return Check(name, CheckStatus.WARN, f"{found} (0x{word:x})", remedy)
    return Check(name, CheckStatus.OK, found)


@pytest.mark.parametrize(
    ("word", "volts", "slow", "remedies"), WORDS, ids=[hex(word) for word, *_ in WORDS]
)
def test_each_bit_of_the_firmware_is_told_with_what_mends_it(
    word, volts, slow, remedies, tmp_path
) -> None:
    assert check_power(tmp_path, throttled=f"throttled=0x{word:x}") == [
        line("power", volts, remedies[0], word=word),
        line("throttling", slow, remedies[1], word=word),
    ]


@pytest.mark.parametrize(
    "said",
    [
        "Can't open device file: /dev/vcio",  # a user outside the group video
        "VCHI initialization failed",  # the same, before Bookworm
        'error=1 error_msg="Command not registered"',
        "throttled=0x",
        "throttled=",
        "throttled=0x123456789",
        "TimeoutExpired",
        "",
    ],
)
def test_an_answer_that_is_no_word_is_told_on_both_lines(said, tmp_path) -> None:
    checks = check_power(tmp_path, throttled=said)
    assert [check.name for check in checks] == ["power", "throttling"]
    for check in checks:
        assert (check.status, check.found) == (CheckStatus.WARN, f"vcgencmd: {said!r}")
        assert "usermod -aG video" in check.remedy


@pytest.mark.parametrize(
    ("said", "health", "found", "remedy"),
    [
        ("0", CheckStatus.OK, "no undervoltage in the last 2 s; earlier is not known", ""),
        ("1", CheckStatus.WARN, "undervoltage in the last 2 s", REMEDY_POWER),
        ("what", CheckStatus.WARN, "rpi_volt: 'what'", "dmesg | grep -i voltage"),
    ],
)
def test_without_the_firmware_the_alarm_of_the_kernel_is_read(
    said, health, found, remedy, tmp_path
) -> None:
    write_alarm(tmp_path, said)
    volts, _ = check_power(tmp_path, throttled=None)
    assert volts == Check("power", health, found, remedy)


def test_an_alarm_that_cannot_be_read_is_told(tmp_path) -> None:
    write_alarm(tmp_path, "0")
    (tmp_path / "class/hwmon/hwmon1/in0_lcrit_alarm").unlink()
    volts, _ = check_power(tmp_path, throttled=None)
    assert volts.status is CheckStatus.WARN
    assert "No such file" in volts.found


@pytest.mark.parametrize("other", [False, True], ids=["no alarm", "the alarm of another driver"])
def test_a_machine_without_sensors_has_both_lines_and_they_are_well(other, tmp_path) -> None:
    if other:
        write_alarm(tmp_path, "1", name="nct6775")
    assert check_power(tmp_path, throttled=None) == [
        Check("power", CheckStatus.OK, "not known: no sensor"),
        Check("throttling", CheckStatus.OK, "not known: no vcgencmd"),
    ]


def write_vcgencmd(folder: Path, script: str) -> None:
    command = folder / "vcgencmd"
    command.write_text(script)
    command.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('#!/bin/sh\necho "throttled=0x0 $*"\n', "throttled=0x0 get_throttled"),
        ("#!/bin/sh\necho no device >&2; exit 255\n", "no device"),
        ("#!/bin/sh\nprintf '\\377'\n", "\ufffd"),
        ("#!/bin/sh\nexec /bin/sleep 60\n", "TimeoutExpired"),
        ("#!/not/there\n", "FileNotFoundError"),
    ],
    ids=["its word", "its fault", "no text", "no answer", "it does not start"],
)
def test_the_firmware_is_asked_through_vcgencmd(script, said, tmp_path, monkeypatch) -> None:
    write_vcgencmd(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    if "sleep" in script:
        monkeypatch.setattr(power, "TIMEOUT_S", 0.05)
    assert query_firmware() == said


def test_without_vcgencmd_the_firmware_is_not_asked(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert query_firmware() is None
