"""What the studies share as commands: their data, and how they end with an error."""

import sys
from collections.abc import Callable
from pathlib import Path

import typer
from bonefx_edge.errors import BonefxError

from bonefx_train.data.dataset import check_unchanged, load_dataset
from bonefx_train.data.sample import Sample
from bonefx_train.errors import DataError
from bonefx_train.run import SETTINGS_NAME, Run


def run(main: Callable[..., None]) -> None:
    """Run a study from the command line; an error of ours is one line and exit status 1."""
    try:
        typer.run(main)
    except BonefxError as err:
        sys.exit(f"error: {err}")


def read_split(data: Path, split: str) -> tuple[str, tuple[Sample, ...]]:
    """Return the name of a data set, and the films of one split as the fit saw it.

    `data` is a data set that states its splits, or the run that a model was made from.

    Raises
    ------
    DataError
        If `data` does not say which films are of that split, or films have changed since the fit.
    """
    if (data / SETTINGS_NAME).is_file():
        fitted = Run.open(data)
        check_unchanged(fitted.of(split))
        return fitted.settings.data_name, fitted.of(split)
    dataset = load_dataset(data, seed=0)
    if split not in dataset.stated_splits:
        # Divided anew, most of these films would be ones that the model was fitted on.
        msg = f"{data} does not say which films are {split}; give the run's folder"
        raise DataError(msg)
    return data.name, dataset.of(split)
