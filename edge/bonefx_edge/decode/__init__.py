"""Bytes of a file to a radiograph: one module per file format. Public: the names in `__all__`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bonefx_edge.decode.radiograph import Radiograph
    from bonefx_edge.decode.reader import decode, decode_array, read_file

__all__ = ["Radiograph", "decode", "decode_array", "read_file"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: not every module here needs OpenCV."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module = "radiograph" if name == "Radiograph" else "reader"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
