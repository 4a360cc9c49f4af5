"""The model files that come with the package."""

from pathlib import Path


def shipped_models() -> dict[str, Path]:
    """Return the model files that come with the package, by name such as "seed-int8"."""
    folder = Path(__file__).with_name("models")
    return {path.stem: path for path in sorted(folder.glob("*.tflite"))}
