"""Errors of the training host, beside those of `bonefx_edge.errors`."""

from bonefx_edge.errors import BonefxError


class DataError(BonefxError):
    """The labelled data, the split or the run folder cannot be used."""

    code = "data"


class ParityError(BonefxError):
    """A converted model differs from its original by more than the tolerances."""

    code = "parity"
