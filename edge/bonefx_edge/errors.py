"""Every error of bonefx, sorted by whose problem it is, and the stable reason codes of refusals."""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a file got no answer. The values are stable: they stand in results, logs and metrics."""

    UNREADABLE = "unreadable"
    """The operating system would not give the bytes (permission, vanished, not a regular file)."""
    EMPTY = "empty"
    """Zero bytes."""
    TOO_LARGE = "too_large"
    """More bytes or pixels than the caps; refused before decoding."""
    TOO_SMALL = "too_small"
    """A side is shorter than the input check allows: no fracture could be in the pixels."""
    NOT_AN_IMAGE = "not_an_image"
    """The content is none of JPEG, PNG, TIFF, BMP, DICOM Part 10."""
    TRUNCATED = "truncated"
    """The file ends early: part of the picture would be invented."""
    CORRUPT = "corrupt"
    """Damaged inside: checksum, structure or decoder says so."""
    UNSUPPORTED = "unsupported"
    """A valid file of a kind that bonefx does not read (several pages, float samples, …)."""
    MISSING_CODEC = "missing_codec"
    """A DICOM transfer syntax whose decoder is not installed; the message names the extra."""
    WRONG_MODALITY = "wrong_modality"
    """DICOM of another modality than CR, DX or RG (CT, MR, US, …) or without an image."""
    NOT_FOR_PRESENTATION = "not_for_presentation"
    """DICOM Presentation Intent Type (0008,0068) FOR PROCESSING: raw detector data."""
    OUT_OF_SCOPE = "out_of_scope"
    """DICOM Body Part Examined (0018,0015) names a part that the model was not made for."""
    BLANK = "blank"
    """(Almost) one gray value everywhere."""
    DECODER_CRASHED = "decoder_crashed"
    """Watching only: the process that decoded the file died of it."""
    DECODER_HUNG = "decoder_hung"
    """Watching only: decoding did not end within the time limit."""
    NOT_A_RADIOGRAPH = "not_a_radiograph"
    """Color picture, or statistics or network features far from those of the training films."""


ADVICE: Final = {
    Reason.UNREADABLE: "check the path and the permissions of the file",
    Reason.EMPTY: "the file is empty; send it again",
    Reason.TOO_LARGE: "export the radiograph at a normal size",
    Reason.TOO_SMALL: "send the whole radiograph, not a thumbnail",
    Reason.NOT_AN_IMAGE: "send JPEG, PNG, TIFF, BMP or DICOM",
    Reason.TRUNCATED: "part of the file is missing; send it again",
    Reason.CORRUPT: "the file is damaged; send it again",
    Reason.UNSUPPORTED: "export one gray image, for example as PNG",
    Reason.MISSING_CODEC: "export without compression, or install the codec",
    Reason.WRONG_MODALITY: "send a radiograph (DICOM modality CR, DX or RG)",
    Reason.NOT_FOR_PRESENTATION: "send the image for presentation, not raw data",
    Reason.OUT_OF_SCOPE: "not made for this part of the body; read it by eye",
    Reason.BLANK: "one gray level only; look at the file, export it again",
    Reason.DECODER_CRASHED: "export the radiograph again, in another format",
    Reason.DECODER_HUNG: "export the radiograph smaller or in another format",
    Reason.NOT_A_RADIOGRAPH: "check what was sent; read it by eye",
}
"""What a person does about a refusal: short enough for one line beside the reason."""


class BonefxError(Exception):
    """Base of all errors raised on purpose: what was expected, what came, what to do."""

    code: str = "error"
    """Stable identifier for logs and JSON."""


class DecodeError(BonefxError):
    """One file cannot become a radiograph, or must not be classified; `code` is a `Reason`."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = reason.value


class ModelFileError(BonefxError):
    """The model file is altered, mismatched, from the future, or not one at all."""

    code = "model_file"


class InterpreterError(BonefxError):
    """No interpreter is installed, or the installed one cannot run this model."""

    code = "interpreter"


class JournalError(BonefxError):
    """The journal of a watched folder is damaged, in use, from the future, or cannot be kept."""

    code = "journal"


class JournalHeldError(BonefxError):
    """The journal cannot be opened again: a part of the service hangs and still uses it."""

    code = "journal_held"


class PortError(BonefxError):
    """The health port cannot be had: it is taken, or not ours to take."""

    code = "port"


class OutputError(BonefxError):
    """A result cannot be written: its folder is absent or forbidden, or the disk is full."""

    code = "output"


class UsageError(BonefxError):
    """The command or the call was given something it cannot work with."""

    code = "usage"
