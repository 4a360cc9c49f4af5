"""Is the board short of voltage, or slowed? The lines `power` and `throttling` of the doctor.

Bits: Raspberry Pi documentation, "get_throttled". Undervoltage is less than 4.63 V, there, "Power
supply warnings". The word is asked of `vcgencmd`: its file in sysfs, `soc:firmware/get_throttled`,
was taken out of the kernel (raspberrypi/linux, pull request 6697, March 2025). Where it still is,
reading it writes a stack trace into the kernel's log, and its bits 16 to 19 reach back 2 s: the
kernel's drivers/hwmon/raspberrypi-hwmon.c has the firmware clear them. The alarm of that driver,
undervoltage alone and in the last 2 s, is read where there is no `vcgencmd`. Read, not tried: no
Raspberry Pi was at hand.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bonefx_edge.check import Check, Health
from bonefx_edge.thermal import COOL, read_word

UNDERVOLTAGE: Final = {0: "undervoltage"}
SLOWED: Final = {1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bit -> what it says is so now. The soft limit is that of a Raspberry Pi 3 Model B+, 60 C."""
SINCE_START: Final = 16
"""Bit 16 + n: what bit n says has been so since the board was started."""
PATIENCE_S: Final = 5.0
"""For `vcgencmd`, which takes milliseconds."""
SUPPLY: Final = (
    "a better 5 V supply and cable (the official ones: 27 W for a Raspberry Pi 5, 15 W for a 4), "
    "or fewer USB devices"
)


def examine_power(sysfs: Path, *, firmware_said: str | None) -> list[Check]:
    """Return the lines `power` and `throttling`; `firmware_said` is the answer of `ask_firmware`.

    Both are there on every machine, as `temperature` is.
    """
    if firmware_said is None:
        return [_alarm(sysfs), Check("throttling", Health.OK, "not known: no vcgencmd")]
    match = re.fullmatch(r"throttled=0x([0-9a-f]{1,8})", firmware_said)
    if match is None:
        found = f"vcgencmd said {firmware_said!r}"
        remedy = "sudo usermod -aG video $USER, then log in anew: it must open /dev/vcio"
        return [Check(name, Health.WARN, found, remedy) for name in ("power", "throttling")]
    word = int(match[1], 16)
    # The firmware throttles for want of voltage too, and then no fan helps.
    cure = SUPPLY if _told(word, UNDERVOLTAGE) else COOL
    power = _check("power", word, UNDERVOLTAGE, remedy=SUPPLY)
    return [power, _check("throttling", word, SLOWED, remedy=cure)]


def ask_firmware() -> str | None:
    """Return what `vcgencmd get_throttled` says, such as throttled=0x50000; None without it."""
    command = shutil.which("vcgencmd")
    if command is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 -- the system's own command, our own words
            [command, "get_throttled"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        return type(err).__name__
    longest = 80
    return done.stdout.decode("ascii", "replace").strip()[:longest]


def _told(word: int, states: dict[int, str]) -> list[str]:
    told = [f"{state} now" for bit, state in states.items() if word >> bit & 1]
    for bit, state in states.items():
        if word >> (SINCE_START + bit) & 1 and not word >> bit & 1:
            told.append(f"{state} since the start")
    return told


def _check(name: str, word: int, states: dict[int, str], *, remedy: str) -> Check:
    told = _told(word, states)
    if told:
        return Check(name, Health.WARN, f"{', '.join(told)} (0x{word:x})", remedy)
    return Check(name, Health.OK, f"not {' or '.join(states.values())} since the start")


def _alarm(sysfs: Path) -> Check:
    names = sorted(sysfs.glob("class/hwmon/hwmon*/name"))
    alarms = [p.with_name("in0_lcrit_alarm") for p in names if read_word(p) == "rpi_volt"]
    if not alarms:
        return Check("power", Health.OK, "not known: no sensor")
    said = read_word(alarms[0])
    if said == "0":
        return Check("power", Health.OK, "no undervoltage in the last 2 s; before, not known")
    if said == "1":
        return Check("power", Health.WARN, "undervoltage in the last 2 s", SUPPLY)
    return Check("power", Health.WARN, f"rpi_volt said {said!r}", "dmesg | grep -i voltage")
