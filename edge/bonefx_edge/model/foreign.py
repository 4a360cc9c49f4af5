"""Name what a file is that is no model file: what people have instead, and what helps."""

from pathlib import Path
from typing import Final

HEAD_BYTES: Final = 512
"""That `describe_content` needs."""
_KERAS: Final = "Convert it on a computer with bonefx-convert (docs/bring-a-network.md)."
_OTHER: Final = (
    "Only Keras networks can be converted (docs/bring-a-network.md). Name a bundled model "
    "(--model lite0-int8), or convert a Keras network with bonefx-convert."
)
_AGAIN: Final = "Download the file itself again."
_SIGNATURES: Final = (
    (b"\x89HDF\r\n\x1a\n", f"a Keras or HDF5 file (.h5). {_KERAS}"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself. Run git lfs pull."),
    (b"PK\x03\x04", f"a zip file, such as a Keras (.keras) or PyTorch model. {_OTHER}"),
    (b"\x80\x02", f"a Python pickle, such as a PyTorch model. {_OTHER}"),
)
_HTML: Final = (b"<!doctype html", b"<html", b"<?xml")
_TFLITE: Final = b"TFL3"
"""File identifier of a .tflite, at offset 4."""


def describe_content(head: bytes) -> str | None:
    """Return what a file is by its first bytes, and what helps; None if it is none of these."""
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            return what
    if head.lstrip().lower().startswith(_HTML):
        return f"a web page. {_AGAIN}"
    if head[4:8] == _TFLITE:
        return f"a .tflite without the manifest of bonefx. Incomplete? Then copy it again. {_OTHER}"
    return None


def describe_folder(folder: Path) -> str:
    """Return what a folder is that was named as a model, and what helps."""
    if (folder / "saved_model.pb").exists():
        return f"a folder (a TensorFlow SavedModel). {_KERAS}"
    return f"a folder. {_OTHER}"
