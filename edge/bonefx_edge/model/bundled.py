"""The model files that come with the package."""

from pathlib import Path
from typing import Final

DEFAULT_MODEL: Final = "lite0-int8"


def shipped_models() -> dict[str, Path]:
    """Return the model files that come with the package, by name such as "seed-int8"."""
    folder = Path(__file__).parents[1] / "models"
    return {path.stem: path for path in sorted(folder.glob("*.tflite"))}


def find_model(name: str) -> Path:
    """Return the path of a shipped model of that name, or `name` itself as a path."""
    return shipped_models().get(name, Path(name))
