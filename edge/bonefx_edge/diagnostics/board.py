"""Name, temperature and power supply of the board."""

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.check import Check, CheckStatus


def board() -> str:
    """Return the name of the board or processor, as the system gives it."""
    device_tree = Path("/proc/device-tree/model")
    if device_tree.exists():
        return device_tree.read_text().strip("\0\n ")
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


SLOWED_C: Final = 80.0
"""From here a Raspberry Pi slows its cores; other boards have other limits."""
HARD_LIMIT_C: Final = 85.0
"""From here a Raspberry Pi slows its graphics processor as well."""
PLAUSIBLE_C: Final = (-40.0, 125.0)
"""Operating range of a chip. A sensor that is off may report -274 or 0 K."""
PROCESSOR_ZONES: Final = ("cpu", "soc", "x86_pkg_temp")
"""Prefixes of processor zones: cpu-thermal (of a Raspberry Pi), cpu0-thermal, soc-thermal."""
REMEDY_COOLING: Final = "improve cooling: a heat sink or fan, an open case, shade"
_MILLI: Final = 1000


@dataclass(frozen=True, slots=True)
class Zone:
    """One temperature sensor of the kernel."""

    kind: str
    content: str
    """Of its file `temp`, or why it could not be read."""

    @property
    def celsius(self) -> float | None:
        """Temperature in degrees Celsius; None where the reading is not plausible."""
        try:
            celsius = int(self.content) / _MILLI
        except ValueError:
            return None
        low, high = PLAUSIBLE_C
        return celsius if low <= celsius <= high else None


def check_temperature(sysfs: Path) -> Check:
    """Return the temperature of the processor, or of the hottest zone where none is its own.

    Without any sensor, as in a virtual machine, the check says so: the list of checks is the same
    on every device.
    """
    folders = sorted(sysfs.glob("class/thermal/thermal_zone*"))
    zones = [Zone(read_word(path / "type"), read_word(path / "temp")) for path in folders]
    if not zones:
        return Check("temperature", CheckStatus.OK, "not known: no sensor")
    zones = [zone for zone in zones if zone.kind.startswith(PROCESSOR_ZONES)] or zones
    plausible = [(zone.celsius, zone.kind) for zone in zones if zone.celsius is not None]
    if not plausible:
        found = ", ".join(f"{zone.kind}: {zone.content!r}" for zone in zones)
        remedy = "restart the board; if the value stays wrong, ask the maker of the board"
        return Check("temperature", CheckStatus.WARN, found, remedy)
    celsius, kind = max(plausible)
    found = f"{celsius:.1f} C ({kind})"
    if celsius >= HARD_LIMIT_C:
        found = f"{found}, at the limit: a Raspberry Pi slows everything from {HARD_LIMIT_C:g} C"
        return Check("temperature", CheckStatus.WARN, found, REMEDY_COOLING)
    if celsius >= SLOWED_C:
        found = f"{found}, hot: a Raspberry Pi slows its cores from {SLOWED_C:g} C"
        return Check("temperature", CheckStatus.WARN, found, REMEDY_COOLING)
    return Check("temperature", CheckStatus.OK, found)


def read_word(path: Path) -> str:
    """Return the first characters of a file of the kernel, or why it could not be read."""
    longest = 40
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()[:longest]
    except OSError as err:
        return f"unreadable: {err.strerror}"


UNDERVOLTAGE: Final = {0: "undervoltage"}
SLOWED: Final = {1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bit -> state now. The soft limit is that of a Raspberry Pi 3 Model B+, 60 C."""
SINCE_START: Final = 16
"""Bit 16 + n: the state of bit n has occurred since the board was started."""
TIMEOUT_S: Final = 5.0
"""Of `vcgencmd`, which takes milliseconds."""
REMEDY_POWER: Final = (
    "use a better 5 V supply and cable (the official ones: 27 W for a Raspberry Pi 5, 15 W for "
    "a 4), or fewer USB devices"
)


def check_power(sysfs: Path, *, throttled: str | None) -> list[Check]:
    """Return the checks `power` and `throttling`; `throttled` is what `query_firmware` returned.

    Both are in the list on every machine, as `temperature` is.
    """
    if throttled is None:
        return [hwmon_alarm(sysfs), Check("throttling", CheckStatus.OK, "not known: no vcgencmd")]
    match = re.fullmatch(r"throttled=0x([0-9a-f]{1,8})", throttled)
    if match is None:
        found = f"vcgencmd: {throttled!r}"
        remedy = "sudo usermod -aG video $USER, then log in again: it must open /dev/vcio"
        return [Check(name, CheckStatus.WARN, found, remedy) for name in ("power", "throttling")]
    word = int(match[1], 16)
    # Undervoltage throttles too, and then cooling does not help.
    remedy = REMEDY_POWER if decode_flags(word, UNDERVOLTAGE) else REMEDY_COOLING
    power = _check("power", word, UNDERVOLTAGE, remedy=REMEDY_POWER)
    return [power, _check("throttling", word, SLOWED, remedy=remedy)]


def query_firmware() -> str | None:
    """Return the output of `vcgencmd get_throttled`, such as throttled=0x50000; None without it."""
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
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        return type(err).__name__
    longest = 80
    return done.stdout.decode("ascii", "replace").strip()[:longest]


def decode_flags(word: int, states: dict[int, str]) -> list[str]:
    """Return the states whose bits are set in `word`, now or since the start."""
    active = [f"{state} now" for bit, state in states.items() if word >> bit & 1]
    for bit, state in states.items():
        if word >> (SINCE_START + bit) & 1 and not word >> bit & 1:
            active.append(f"{state} since the start")
    return active


def _check(name: str, word: int, states: dict[int, str], *, remedy: str) -> Check:
    active = decode_flags(word, states)
    if active:
        return Check(name, CheckStatus.WARN, f"{', '.join(active)} (0x{word:x})", remedy)
    return Check(name, CheckStatus.OK, f"not {' or '.join(states.values())} since the start")


def hwmon_alarm(sysfs: Path) -> Check:
    """Return the check `power` by the voltage alarm of the kernel."""
    names = sorted(sysfs.glob("class/hwmon/hwmon*/name"))
    alarms = [p.with_name("in0_lcrit_alarm") for p in names if read_word(p) == "rpi_volt"]
    if not alarms:
        return Check("power", CheckStatus.OK, "not known: no sensor")
    alarm = read_word(alarms[0])
    if alarm == "0":
        return Check(
            "power", CheckStatus.OK, "no undervoltage in the last 2 s; earlier is not known"
        )
    if alarm == "1":
        return Check("power", CheckStatus.WARN, "undervoltage in the last 2 s", REMEDY_POWER)
    return Check("power", CheckStatus.WARN, f"rpi_volt: {alarm!r}", "dmesg | grep -i voltage")
