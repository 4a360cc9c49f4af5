"""The regions of a result as Grayscale Softcopy Presentation State: drawn over the film itself."""

from datetime import datetime
from typing import Final

from bonefx_edge.inference.decision import CAUTION_ADVICE, State
from bonefx_edge.inference.regions import Rectangle
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from bonefx_dicom.results.content import WARNING, ResultContent
from bonefx_dicom.results.encode import (
    ResultObject,
    begin_object,
    date_and_time,
    finish_object,
    reference_item,
)
from bonefx_dicom.results.film import Film
from bonefx_dicom.results.kinds import ObjectKind

_SERIES_NUMBER: Final = 9803
_LAYER: Final = "BONEFX"
_SHAPES: Final = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
"""The state replaces the Photometric Interpretation of the film (PS3.4 section N.2.1.4)."""
_MODALITY_LUT: Final = ("RescaleIntercept", "RescaleSlope", "RescaleType")
_WINDOW: Final = (
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"),
)
_SHUTTER: Final = (
    *("ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge"),
    *("ShutterUpperHorizontalEdge", "ShutterLowerHorizontalEdge", "CenterOfCircularShutter"),
    *("RadiusOfCircularShutter", "VerticesOfThePolygonalShutter"),
)
_TEXT_BOX: Final = ([0.01, 0.01], [0.99, 0.12])
"""Top left and bottom right corner, as shares of the displayed area."""


def build_presentation(
    film: Film, content: ResultContent, when: datetime, *, has_voi: bool
) -> ResultObject | None:
    """Return the presentation state; None for a refused film and for one in color.

    `has_voi` says whether the film has a usable VOI LUT or window, which the state repeats: what
    it leaves out, a viewer does not apply.
    """
    shape = _SHAPES.get(film.text("PhotometricInterpretation"))
    if content.state is State.REFUSED or shape is None:
        return None
    dataset = begin_object(
        film,
        content,
        sop_class_uid=GrayscaleSoftcopyPresentationStateStorage,
        modality="PR",
        number=_SERIES_NUMBER,
    )
    dataset.update(film.body_part())
    dataset.ContentLabel, dataset.ContentDescription = _LAYER, WARNING
    dataset.PresentationCreationDate, dataset.PresentationCreationTime = date_and_time(film, when)
    dataset.ContentCreatorName = "bonefx"
    series = Dataset()
    series.SeriesInstanceUID = film.series_uid
    series.ReferencedImageSequence = _film_sequence(film)
    dataset.ReferencedSeriesSequence = Sequence([series])
    _add_gray_scale(dataset, film, has_voi=has_voi)
    dataset.PresentationLUTShape = shape
    dataset.DisplayedAreaSelectionSequence = Sequence([_whole_film(film)])
    _add_graphics(dataset, film, content)
    return finish_object(ObjectKind.GSPS, film, dataset)


def _add_gray_scale(dataset: Dataset, film: Film, *, has_voi: bool) -> None:
    """Add modality LUT, VOI LUT and shutter of the film."""
    dataset.update(film.copy(_MODALITY_LUT))
    if "RescaleSlope" in dataset and not film.text("RescaleType"):
        dataset.RescaleType = "US"  # unspecified; mandatory here, optional in a film
    dataset.update(film.sequences(("ModalityLUTSequence",)))
    if has_voi:
        voi = film.copy(_WINDOW)
        voi.update(film.sequences(("VOILUTSequence",)))
        dataset.SoftcopyVOILUTSequence = Sequence([voi])
    if film.text("ShutterShape"):
        dataset.update(film.copy(_SHUTTER))
        dataset.ShutterPresentationValue = 0


def _whole_film(film: Film) -> Dataset:
    """Return the displayed area: all pixels, as large as the viewer has room."""
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [film.header.Columns, film.header.Rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    ratio = film.text("PixelAspectRatio")
    area.PresentationPixelAspectRatio = ratio.split("\\") if ratio else [1, 1]
    return area


def _add_graphics(dataset: Dataset, film: Film, content: ResultContent) -> None:
    """Add the rectangles, and the answer as text at the top."""
    layer = Dataset()
    layer.GraphicLayer, layer.GraphicLayerOrder = _LAYER, 1
    layer.GraphicLayerDescription = WARNING
    dataset.GraphicLayerSequence = Sequence([layer])
    annotation = Dataset()
    annotation.ReferencedImageSequence = _film_sequence(film)
    annotation.GraphicLayer = _LAYER
    text = Dataset()
    text.BoundingBoxAnnotationUnits = "DISPLAY"
    advice = "" if content.caution is None else f": {CAUTION_ADVICE[content.caution]}"
    text.UnformattedTextValue = f"{WARNING}: {content.headline}{advice}"
    text.BoundingBoxTopLeftHandCorner, text.BoundingBoxBottomRightHandCorner = _TEXT_BOX
    text.BoundingBoxTextHorizontalJustification = "LEFT"
    annotation.TextObjectSequence = Sequence([text])
    if content.regions:
        annotation.GraphicObjectSequence = Sequence(map(_outline, content.regions))
    dataset.GraphicAnnotationSequence = Sequence([annotation])


def _outline(region: Rectangle) -> Dataset:
    """Return a closed polyline in pixels; 0 0 is the corner of the top left pixel (C.10.5)."""
    left, top, right, bottom = map(float, region)
    outline = Dataset()
    outline.GraphicAnnotationUnits, outline.GraphicDimensions = "PIXEL", 2
    outline.GraphicData = [left, top, right, top, right, bottom, left, bottom, left, top]
    outline.NumberOfGraphicPoints = len(outline.GraphicData) // 2
    outline.GraphicType, outline.GraphicFilled = "POLYLINE", "N"
    return outline


def _film_sequence(film: Film) -> Sequence:
    return Sequence([reference_item(film.sop_class_uid, film.sop_instance_uid)])
