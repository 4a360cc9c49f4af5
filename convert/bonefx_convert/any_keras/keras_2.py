"""Files of Keras 2, changed so that Keras 3 reads them."""

import json
from pathlib import Path
from typing import Any, Final

_REMOVED: Final = {"DepthwiseConv2D": ("groups",)}
"""Settings that Keras 3 no longer takes, by class; in Keras 2 they had one value only."""


def upgrade_h5(path: Path) -> None:
    """Change the settings in an .h5 file of Keras 2 in place; weights stay as they are."""
    import h5py

    with h5py.File(path, "r+") as file:
        stored = file.attrs["model_config"]
        text = stored.decode() if isinstance(stored, bytes) else str(stored)
        # As str: it is stored outside of the header, which holds 64 kB only.
        file.attrs["model_config"] = json.dumps(upgrade(json.loads(text)))


def upgrade(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a network, from json, without what Keras 3 refuses.

    Each layer may have had its input shape; now a Sequential network has an InputLayer for that.
    """
    config = settings.get("config")
    if settings.get("class_name") == "Sequential" and isinstance(config, list):
        config = {"name": "sequential", "layers": config}  # before Keras 2.2.3
    if not isinstance(config, dict):
        return settings
    layers = config.get("layers")
    if isinstance(layers, list):
        first = [] if settings["class_name"] != "Sequential" else _input_layers(layers)
        config = config | {"layers": [*first, *(upgrade(layer) for layer in layers)]}
    elif settings["class_name"] != "InputLayer":
        gone = ("batch_input_shape", *_REMOVED.get(settings["class_name"], ()))
        config = {name: value for name, value in config.items() if name not in gone}
    inner = config.get("layer")
    if isinstance(inner, dict):  # TimeDistributed and other wrappers
        config = config | {"layer": upgrade(inner)}
    return settings | {"config": config}


def _input_layers(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the InputLayer that a Sequential network of the first versions lacks."""
    first = layers[0] if layers else {}
    shape = first.get("config", {}).get("batch_input_shape")
    if first.get("class_name") == "InputLayer" or shape is None:
        return []
    config = {"batch_shape": shape, "dtype": "float32", "name": "image"}
    return [{"class_name": "InputLayer", "config": config}]
