"""How hot is the processor? The line `temperature` of `edge-admin doctor`.

`/sys/class/thermal`, in millidegrees: kernel, Documentation/ABI/testing/sysfs-class-thermal. The
limits: Raspberry Pi documentation, "Frequency management and thermal control".
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.check import Check, Health

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
