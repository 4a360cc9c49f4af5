"""Boards that are not there: trees such as the kernel shows in /sys."""

from pathlib import Path


def write_zones(sysfs: Path, *zones: tuple[str, str]) -> None:
    """Write one thermal zone for each name of a sensor and content of its file `temp`."""
    for number, (kind, temp) in enumerate(zones):
        folder = sysfs / "class/thermal" / f"thermal_zone{number}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(f"{kind}\n")
        (folder / "temp").write_text(f"{temp}\n")
    (sysfs / "class/thermal/cooling_device0").mkdir()


def write_alarm(sysfs: Path, said: str, *, name: str = "rpi_volt") -> None:
    """Write the voltage alarm of a Raspberry Pi, behind the sensor of another driver."""
    for number, kind in enumerate(("cpu_thermal", name)):
        folder = sysfs / "class/hwmon" / f"hwmon{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{kind}\n")
    (folder / "in0_lcrit_alarm").write_text(f"{said}\n")
