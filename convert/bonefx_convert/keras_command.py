"""The command bonefx-convert keras: a network that bonefx-train did not make."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from bonefx_edge.errors import UsageError
from bonefx_train.command_line import exit_on_error
from typer.core import TyperGroup

from bonefx_convert.convert_options import (
    EXIT_CODES,
    KindsOption,
    OutOption,
    ToleranceOption,
    TrainingDataOption,
    VerifyOption,
    VersionOption,
    import_exact_keras,
    today,
)

SCALINGS: Final = ("0..1", "-1..1", "0..255", "imagenet", "caffe")
RESIZES: Final = ("bilinear", "area", "nearest")
ASPECTS: Final = ("squash", "letterbox")
POSITIVES: Final = ("0", "1")
_SUFFIXES: Final = (".keras", ".h5", ".hdf5")


class FileOrCommand(TyperGroup):
    """`bonefx-convert model.keras` means `bonefx-convert keras model.keras`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put `keras` in front of a file or folder that is no command."""
        first = args[0] if args else ""
        is_command = self.get_command(ctx, first) is not None
        if not is_command and (first.endswith(_SUFFIXES) or Path(first).exists()):
            args = ["keras", *args]
        return super().resolve_command(ctx, args)


def convert_keras(
    model: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="A .keras or .h5 file, or a SavedModel.")
    ],
    *,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Labelled images, in folders tune and train if you can."),
    ],
    out: OutOption,
    positive: Annotated[
        str | None,
        typer.Option(metavar="0|1", help="Class index that means fracture, as in its training."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="|".join(SCALINGS), help="The numbers that it was fitted on."),
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(RESIZES),
            help="How images were resized: bilinear (cv2.resize, image_dataset_from_directory), "
            "nearest (ImageDataGenerator), area (cv2.INTER_AREA).",
        ),
    ] = None,
    aspect: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(ASPECTS), help="Stretched to the input size, or black bars added."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Input size, for a network that takes any."),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(metavar="logit", help="For a last layer without activation: it is a logit."),
    ] = None,
    unlabelled: Annotated[
        bool,
        typer.Option(
            "--unlabelled", help="The images have no labels: the model gets no thresholds."
        ),
    ] = False,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model name; default: that of the file.")
    ] = None,
    version: VersionOption = None,
    training_data: TrainingDataOption = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of the splits, where the data state none.")
    ] = 1,
    verify_with: VerifyOption = None,
    kinds: KindsOption = None,
    tolerance: ToleranceOption = None,
) -> None:
    """Convert a Keras classifier of any make to model files.

    What its file does not say is asked for, and checked on the labelled images. Prints the parity
    report.
    """
    with exit_on_error(EXIT_CODES):
        asked = {"--positive": (positive, POSITIVES), "--scale": (scale, SCALINGS)}
        asked |= {"--resize": (resize, RESIZES), "--aspect": (aspect, ASPECTS)}
        check_answers(asked)
        if head not in (None, "logit"):
            msg = f"--head: expected logit, got {head!r}; leave it out for a sigmoid or softmax"
            raise UsageError(msg)
        from bonefx_convert.parity.tolerances import parse_tolerances

        tolerances, wanted = parse_tolerances(tolerance or []), parse_size(size)
        import_exact_keras()
        from bonefx_edge.inference.preprocess import Aspect, Resize

        from bonefx_convert.any_keras.convert_file import Statement, convert_file
        from bonefx_convert.any_keras.convert_unlabelled import convert_unlabelled
        from bonefx_convert.any_keras.wrap import Scaling
        from bonefx_convert.flatbuffer import parse_kinds
        from bonefx_convert.pack import Options

        statement = Statement(
            positive=int(str(positive)),
            scaling=Scaling(str(scale)),
            resize=Resize(str(resize)),
            aspect=Aspect(str(aspect)),
            size=wanted,
            is_logit=head == "logit",
        )
        options = Options(
            out=out,
            name=name or model.stem,
            version=version or today(),
            training_data=training_data or "not stated",
            pythons=tuple(verify_with or []),
            tolerances=tolerances,
            kinds=parse_kinds(kinds),
        )
        convert = convert_unlabelled if unlabelled else convert_file
        report = convert(model, statement, data=data, seed=seed, options=options)
    sys.stdout.write(report.to_markdown())


def check_answers(asked: dict[str, tuple[str | None, tuple[str, ...]]]) -> None:
    """Return if every option has one of its values.

    Raises
    ------
    UsageError
        Lists all options that are absent, or names a wrong value.
    """
    absent = [f"{name} {'|'.join(known)}" for name, (given, known) in asked.items() if not given]
    if absent:
        msg = (
            f"a Keras file does not say how it was trained; add {', '.join(absent)} (what each "
            "means: -h)"
        )
        raise UsageError(msg)
    for name, (given, known) in asked.items():
        if given not in known:
            msg = f"{name}: expected one of {', '.join(known)}, got {given!r}"
            raise UsageError(msg)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return height and width of "224x224", px.

    Raises
    ------
    UsageError
        For other text.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if found is None:
        msg = f"--size: expected HEIGHTxWIDTH in pixels, such as 224x224, got {text!r}"
        raise UsageError(msg)
    return int(found[1]), int(found[2])
