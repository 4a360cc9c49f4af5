"""What the board or processor calls itself."""

import platform
from pathlib import Path


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
