"""Where a network comes from, as its model files say it."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from bonefx_edge.inference.preprocess import InputSpec
from bonefx_train.run import Run


@dataclass(frozen=True, slots=True)
class Origin:
    """What a model file says of the network it was made from."""

    network: str
    """Name of the architecture or of the file."""
    spec: InputSpec
    data_name: str
    """Of the data set."""
    seed: int
    """Of the draws."""
    settings: dict[str, Any]
    """Of the fit, or of what a person said about the network."""

    def split_name(self, split: str) -> str:
        """Return data set and split in words."""
        return f"{self.data_name} {split}"


def origin_of(run: Run) -> Origin:
    """Return what a model file says of the run that it was made from."""
    settings = dataclasses.asdict(run.settings)
    del settings["data_root"]  # a path of the training machine
    return Origin(
        network=run.settings.network,
        spec=run.settings.input_spec,
        data_name=run.settings.data_name,
        seed=run.settings.seed,
        settings=settings,
    )
