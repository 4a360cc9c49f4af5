"""Check this device: what is wrong, and which command corrects it."""

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
from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.diagnostics.board import board, check_power, check_temperature, query_firmware
from bonefx_edge.errors import BonefxError, InterpreterError
from bonefx_edge.model.runtimes import RUNTIMES, installed_runtimes

MIN_FREE_DISK_MIB: Final = 200
"""Under this a burst of images and their results may fill the disk."""
PARTS: Final = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "simplejpeg": "simplejpeg",
    "pydicom": "pydicom",
    "typer": "typer",
}
"""Import name -> distribution of the packages that the device needs."""
CODECS: Final = ("pylibjpeg-openjpeg", "pyjpegls")
SYSFS: Final = Path("/sys")
_BITS_64: Final = 64
_MIB: Final = 1024 * 1024


def _board() -> Check:
    found = f"{board()}, {platform.machine()}, {os.cpu_count()} cores"
    return Check("board", CheckStatus.OK, found)


def _python() -> Check:
    bits = struct.calcsize("P") * 8
    found = f"{platform.python_version()}, {bits} bit, {sys.prefix}"
    if bits != _BITS_64:
        remedy = "LiteRT has no 32-bit wheels: install the 64-bit system, or use tflite-runtime"
        return Check("python", CheckStatus.WARN, found, remedy)
    return Check("python", CheckStatus.OK, found)


def _packages(note: Callable[[str], None]) -> Check:
    versions, faults = [f"bonefx {__version__}"], []
    for module, distribution in PARTS.items():
        note(module)
        try:
            importlib.import_module(module)
            versions.append(f"{distribution} {importlib.metadata.version(distribution)}")
        except (ImportError, importlib.metadata.PackageNotFoundError) as err:
            faults.append(f"{distribution}: {err}")
    if faults:
        remedy = f"pip install --force-reinstall {' '.join(f.partition(':')[0] for f in faults)}"
        return Check("packages", CheckStatus.FAIL, "; ".join(faults), remedy)
    return Check("packages", CheckStatus.OK, ", ".join(versions))


def _interpreter(note: Callable[[str], None]) -> Check:
    installed = installed_runtimes()
    if not installed:
        return Check("interpreter", CheckStatus.FAIL, "none", "pip install ai-edge-litert")
    found = ", ".join(f"{info.name} {info.version}" for info in installed)
    note(found)
    try:
        from bonefx_edge.model.interpreter import import_runtime

        import_runtime(None)
    except (InterpreterError, ImportError) as err:
        remedy = f"pip install --force-reinstall {installed[0].name.replace('_', '-')}"
        return Check("interpreter", CheckStatus.FAIL, f"{found}: {err}", remedy)
    if len(installed) == len(RUNTIMES):
        remedy = f"{installed[0].name} is used; uninstall the other to be sure"
        return Check("interpreter", CheckStatus.WARN, found, remedy)
    return Check("interpreter", CheckStatus.OK, found)


def _numpy_abi() -> Check:
    names = [info.name for info in installed_runtimes()]
    try:
        numpy = importlib.metadata.version("numpy")
    except importlib.metadata.PackageNotFoundError:
        return Check("numpy ABI", CheckStatus.FAIL, "NumPy is not installed", "pip install numpy")
    if names == ["tflite_runtime"] and not numpy.startswith("1."):
        remedy = "pip install 'numpy<2' 'opencv-python-headless<4.12'"
        return Check("numpy ABI", CheckStatus.FAIL, f"NumPy {numpy} under {names[0]}", remedy)
    return Check("numpy ABI", CheckStatus.OK, f"NumPy {numpy}")


def _codecs() -> Check:
    absent = []
    for name in CODECS:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        found = f"absent: {', '.join(absent)}; DICOM files in JPEG 2000 or JPEG-LS will be refused"
        return Check(
            "DICOM codecs", CheckStatus.WARN, found, "pip install pylibjpeg-openjpeg pyjpegls"
        )
    return Check("DICOM codecs", CheckStatus.OK, "JPEG 2000, JPEG-LS")


def _model(path: str | Path, note: Callable[[str], None]) -> Check:
    note("model")
    try:
        # Here: where a package is broken, the other checks must still run.
        from bonefx_edge.classifier import Classifier

        classifier = Classifier.load(path)
    except (BonefxError, ImportError) as err:
        return Check("model", CheckStatus.FAIL, str(err), f"edge-admin verify {path}")
    model, runtime = classifier.model, classifier.runtime
    modes = ", ".join(mode.name for mode in classifier.manifest.modes)
    found = f"{model.name} {model.version}, sha256 {model.sha256[:12]}, modes {modes}"
    verified = [
        r.name for r in classifier.manifest.verified_runtimes if r.version == runtime.version
    ]
    if runtime.name not in verified:
        remedy = "the model was not verified with this interpreter: convert it with --verify-with"
        return Check(
            "model", CheckStatus.WARN, f"{found}, {runtime.name} {runtime.version}", remedy
        )
    return Check("model", CheckStatus.OK, found)


def _disk() -> Check:
    free_mib = shutil.disk_usage(Path.cwd()).free // _MIB
    found = f"{free_mib} MiB free here"
    if free_mib < MIN_FREE_DISK_MIB:
        return Check("disk", CheckStatus.FAIL, found, f"free at least {MIN_FREE_DISK_MIB} MiB")
    return Check("disk", CheckStatus.OK, found)


CHECKS: Final[dict[str, Callable[[str, Callable[[str], None]], list[Check]]]] = {
    "board": lambda _model_file, _note: [_board()],
    "python": lambda _model_file, _note: [_python()],
    "packages": lambda _model_file, note: [_packages(note)],
    "interpreter": lambda _model_file, note: [_interpreter(note)],
    "numpy ABI": lambda _model_file, _note: [_numpy_abi()],
    "DICOM codecs": lambda _model_file, _note: [_codecs()],
    "model": lambda model_file, note: [_model(model_file, note)],
    "disk": lambda _model_file, _note: [_disk()],
    "temperature": lambda _model_file, _note: [check_temperature(SYSFS)],
    "power": lambda _model_file, _note: check_power(SYSFS, throttled=query_firmware()),
}
"""The checks of `edge-admin doctor` by name, in the order in which they are shown.

Each takes the model to check, and what it calls with the name of a part before it imports that.
"""
