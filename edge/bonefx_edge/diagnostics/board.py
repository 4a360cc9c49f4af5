"""What the board or processor calls itself."""

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.check import Check, Health


def board() -> str:
    """Return the name of the board or processor, in the words of the system."""
    device_tree = Path("/proc/device-tree/model")
    if device_tree.exists():
        return device_tree.read_text().strip("\0\n ")
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


SLOWED_C: Final = 80.0
"""From here a Raspberry Pi slows its cores; on other boards it is no more than a sign."""
HARD_LIMIT_C: Final = 85.0
"""From here a Raspberry Pi slows its graphics processor as well."""
PLAUSIBLE_C: Final = (-40.0, 125.0)
"""What a chip lives through. A sensor that is off may say -274 or 0 K."""
PROCESSOR_ZONES: Final = ("cpu", "soc", "x86_pkg_temp")
"""How processors' zones begin: cpu-thermal (of a Raspberry Pi), cpu0-thermal, soc-thermal."""
COOL: Final = "give it air: a heat sink or fan, an open case, shade"
_MILLI: Final = 1000


@dataclass(frozen=True, slots=True)
class Zone:
    """One sensor, as the kernel tells of it."""

    kind: str
    said: str
    """Content of its file `temp`, or why it could not be read."""

    @property
    def celsius(self) -> float | None:
        """Temperature in degrees Celsius; None where the sensor says nothing plausible."""
        try:
            celsius = int(self.said) / _MILLI
        except ValueError:
            return None
        low, high = PLAUSIBLE_C
        return celsius if low <= celsius <= high else None


def examine_temperature(sysfs: Path) -> Check:
    """Return the temperature of the processor, or of the hottest zone where none is its own.

    Without any zone, as in a virtual machine, the line is there and says so: one that is absent on
    one of two devices looks like a fault of the doctor.
    """
    folders = sorted(sysfs.glob("class/thermal/thermal_zone*"))
    zones = [Zone(read_word(path / "type"), read_word(path / "temp")) for path in folders]
    if not zones:
        return Check("temperature", Health.OK, "not known: no sensor")
    zones = [zone for zone in zones if zone.kind.startswith(PROCESSOR_ZONES)] or zones
    sound = [(zone.celsius, zone.kind) for zone in zones if zone.celsius is not None]
    if not sound:
        found = ", ".join(f"{zone.kind} said {zone.said!r}" for zone in zones)
        return Check("temperature", Health.WARN, found, "start the board anew; then ask its maker")
    celsius, kind = max(sound)
    found = f"{celsius:.1f} C ({kind})"
    if celsius >= HARD_LIMIT_C:
        found = f"{found}, at the limit: a Raspberry Pi slows everything from {HARD_LIMIT_C:g} C"
        return Check("temperature", Health.WARN, found, COOL)
    if celsius >= SLOWED_C:
        found = f"{found}, hot: a Raspberry Pi slows its cores from {SLOWED_C:g} C"
        return Check("temperature", Health.WARN, found, COOL)
    return Check("temperature", Health.OK, found)


def read_word(path: Path) -> str:
    """Return the first characters of a file of the kernel, or why it could not be read."""
    longest = 40
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()[:longest]
    except OSError as err:
        return f"unreadable: {err.strerror}"


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
