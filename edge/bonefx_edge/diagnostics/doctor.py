"""Look at this device and say what is wrong and which command mends it."""

import importlib
import importlib.metadata
import os
import platform
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bonefx_edge import __version__
from bonefx_edge.check import Check, Health
from bonefx_edge.diagnostics.board import ask_firmware, board, examine_power, examine_temperature
from bonefx_edge.errors import BonefxError
from bonefx_edge.model.runtimes import RUNTIMES, installed_runtimes

MIN_FREE_DISK_MIB: Final = 200
"""Under this a burst of films and their results may fill the disk."""
PARTS: Final = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "simplejpeg": "simplejpeg",
    "pydicom": "pydicom",
    "typer": "typer",
}
"""Import name -> distribution of what the device cannot do without."""
CODECS: Final = ("pylibjpeg-openjpeg", "pyjpegls")
SYSFS: Final = Path("/sys")
_BITS_64: Final = 64
_MIB: Final = 1024 * 1024


def examine(*, model: str | Path) -> list[Check]:
    """Return one check a line of `edge-admin doctor`, in reading order."""
    looks: tuple[Callable[[], Check], ...] = (
        _board,
        _python,
        _packages,
        _interpreter,
        _numpy_abi,
        _codecs,
        lambda: _model(model),
        _disk,
        lambda: examine_temperature(SYSFS),
    )
    checks = [look() for look in looks]
    return checks + examine_power(SYSFS, firmware_said=ask_firmware())


def _board() -> Check:
    found = f"{board()}, {platform.machine()}, {os.cpu_count()} cores"
    return Check("board", Health.OK, found)


def _python() -> Check:
    bits = struct.calcsize("P") * 8
    found = f"{platform.python_version()}, {bits} bit, {sys.prefix}"
    if bits != _BITS_64:
        remedy = "LiteRT has no 32-bit wheels: install the 64-bit system, or use tflite-runtime"
        return Check("python", Health.WARN, found, remedy)
    return Check("python", Health.OK, found)


def _packages() -> Check:
    versions, faults = [f"bonefx {__version__}"], []
    for module, distribution in PARTS.items():
        try:
            importlib.import_module(module)
            versions.append(f"{distribution} {importlib.metadata.version(distribution)}")
        except (ImportError, importlib.metadata.PackageNotFoundError) as err:
            faults.append(f"{distribution}: {err}")
    if faults:
        remedy = f"pip install --force-reinstall {' '.join(f.partition(':')[0] for f in faults)}"
        return Check("packages", Health.FAIL, "; ".join(faults), remedy)
    return Check("packages", Health.OK, ", ".join(versions))


def _interpreter() -> Check:
    installed = installed_runtimes()
    if not installed:
        return Check("interpreter", Health.FAIL, "none", "pip install ai-edge-litert")
    found = ", ".join(f"{info.name} {info.version}" for info in installed)
    if len(installed) == len(RUNTIMES):
        remedy = f"{installed[0].name} is used; uninstall the other to be sure"
        return Check("interpreter", Health.WARN, found, remedy)
    return Check("interpreter", Health.OK, found)


def _numpy_abi() -> Check:
    names = [info.name for info in installed_runtimes()]
    try:
        numpy = importlib.metadata.version("numpy")
    except importlib.metadata.PackageNotFoundError:
        return Check("numpy ABI", Health.FAIL, "NumPy is not installed", "pip install numpy")
    if names == ["tflite_runtime"] and not numpy.startswith("1."):
        remedy = "pip install 'numpy<2' 'opencv-python-headless<4.12'"
        return Check("numpy ABI", Health.FAIL, f"NumPy {numpy} under {names[0]}", remedy)
    return Check("numpy ABI", Health.OK, f"NumPy {numpy}")


def _codecs() -> Check:
    absent = []
    for name in CODECS:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        found = f"absent: {', '.join(absent)}; DICOM files in JPEG 2000 or JPEG-LS will be refused"
        return Check("DICOM codecs", Health.WARN, found, "pip install pylibjpeg-openjpeg pyjpegls")
    return Check("DICOM codecs", Health.OK, "JPEG 2000, JPEG-LS")


def _model(path: str | Path) -> Check:
    try:
        # Here: where a package is broken, the doctor must live to say so.
        from bonefx_edge.classifier import Classifier

        classifier = Classifier.load(path)
    except (BonefxError, ImportError) as err:
        return Check("model", Health.FAIL, str(err), f"edge-admin verify {path}")
    model, runtime = classifier.model, classifier.runtime
    readings = ", ".join(reading.name for reading in classifier.manifest.readings)
    found = f"{model.name} {model.version}, sha256 {model.sha256[:12]}, reads {readings}"
    proved = [r.name for r in classifier.manifest.runtimes if r.version == runtime.version]
    if runtime.name not in proved:
        remedy = "the model was not proved on this interpreter: convert with --verify-with"
        return Check("model", Health.WARN, f"{found}, {runtime.name} {runtime.version}", remedy)
    return Check("model", Health.OK, found)


def _disk() -> Check:
    free_mib = shutil.disk_usage(Path.cwd()).free // _MIB
    found = f"{free_mib} MiB free here"
    if free_mib < MIN_FREE_DISK_MIB:
        return Check("disk", Health.FAIL, found, f"free at least {MIN_FREE_DISK_MIB} MiB")
    return Check("disk", Health.OK, found)
