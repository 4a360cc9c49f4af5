"""The model files that come with the package."""

import os
from pathlib import Path
from typing import Final

from bonefx_edge.errors import ModelFileError

DEFAULT_MODEL: Final = "lite0-int8"


def bundled_models() -> dict[str, Path]:
    """Return the model files that come with the package, by name such as "seed-int8"."""
    folder = Path(__file__).parents[1] / "models"
    return {path.stem: path for path in sorted(folder.glob("*.tflite"))}


def find_model(model: str | Path) -> Path:
    """Return the path of a model: text may be the name of a bundled one, else it is a path.

    Raises
    ------
    ModelFileError
        If text is neither.
    TypeError
        If `model` is neither text nor a path.
    """
    if isinstance(model, Path):
        return model
    if not isinstance(model, str):
        msg = f"expected the name or path of a model, got {type(model).__name__}"  # type: ignore[unreachable]
        raise TypeError(msg)
    bundled = bundled_models()
    path = bundled.get(model, Path(model))
    if not os.access(path, os.F_OK):
        known = ", ".join(bundled)
        msg = f"{model}: there is no such model. Check the path, or name one of {known}."
        raise ModelFileError(msg)
    return path
