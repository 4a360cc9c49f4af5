"""The structured report of a film: Comprehensive 3D SR or Comprehensive SR, PS3.16 TID 1500."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from bonefx_edge import NOTICE
from bonefx_edge.inference.decision import State
from bonefx_edge.inference.regions import Rectangle
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from bonefx_dicom.results import codes
from bonefx_dicom.results.codes import Code, coded
from bonefx_dicom.results.content import WARNING, ResultContent
from bonefx_dicom.results.encode import (
    Reference,
    ResultObject,
    begin_object,
    date_and_time,
    derive_uid,
    evidence,
    finish_object,
    reference_item,
)
from bonefx_dicom.results.film import Film
from bonefx_dicom.results.kinds import ObjectKind
from bonefx_dicom.results.own_objects import DEVICE_UID, MANUFACTURER

_SERIES_NUMBER: Final = 9801
_MODIFIES: Final = "HAS CONCEPT MOD"
_OBSERVES: Final = "HAS OBS CONTEXT"
_CONTAINS: Final = "CONTAINS"
_SELECTED: Final = "SELECTED FROM"


def build_report(
    film: Film,
    content: ResultContent,
    when: datetime,
    *,
    replaces: Reference | None = None,
    is_3d: bool = True,
) -> ResultObject:
    """Return the structured report of a result.

    Parameters
    ----------
    when
        Date and time of the report, with a time zone.
    replaces
        The report that this one takes the place of, or None.
    is_3d
        Comprehensive 3D SR; False gives Comprehensive SR with the same content, for an older PACS.
    """
    sop_class = Comprehensive3DSRStorage if is_3d else ComprehensiveSRStorage
    dataset = begin_object(
        film, content, sop_class_uid=sop_class, modality="SR", number=_SERIES_NUMBER
    )
    dataset.ReferencedPerformedProcedureStepSequence = Sequence()
    dataset.ContentDate, dataset.ContentTime = date_and_time(film, when)
    dataset.CompletionFlag = "COMPLETE"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PerformedProcedureCodeSequence = Sequence()
    film_reference = Reference(
        film.study_uid, film.series_uid, film.sop_class_uid, film.sop_instance_uid
    )
    dataset.CurrentRequestedProcedureEvidenceSequence = evidence(film_reference)
    if replaces is not None:
        dataset.PredecessorDocumentsSequence = evidence(replaces)
    _add_content(dataset, film, content)
    return finish_object(ObjectKind.SR, film, dataset)


def _add_content(dataset: Dataset, film: Film, content: ResultContent) -> None:
    """Add the content tree, TID 1500 from its root container on."""
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "1500"
    dataset.ContentTemplateSequence = Sequence([template])
    groups = [_film_group(film, content)]
    for number, region in enumerate(content.regions, start=1):
        groups.append(_region_group(film, content, number, region))
    root = [
        _code(_MODIFIES, codes.LANGUAGE, codes.ENGLISH),
        *_observer(content),
        _code(_MODIFIES, codes.PROCEDURE, codes.RADIOGRAPHY),
        _container(
            codes.IMAGE_LIBRARY, [_container(codes.IMAGE_GROUP, [_image(_CONTAINS, None, film)])]
        ),
        _container(codes.MEASUREMENTS, groups),
    ]
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = coded(codes.REPORT)
    dataset.ContinuityOfContent = "SEPARATE"
    dataset.ContentSequence = Sequence(root)


def _observer(content: ResultContent) -> list[Dataset]:
    """Return the device that observed, TID 1001 and 1004."""
    return [
        _code(_OBSERVES, codes.OBSERVER_TYPE, codes.DEVICE),
        _item(_OBSERVES, "UIDREF", codes.DEVICE_UID, UID=DEVICE_UID),
        _text(_OBSERVES, codes.DEVICE_NAME, MANUFACTURER),
        _text(_OBSERVES, codes.DEVICE_MANUFACTURER, MANUFACTURER),
        _text(_OBSERVES, codes.DEVICE_MODEL, content.model),
    ]


def _film_group(film: Film, content: ResultContent) -> Dataset:
    """Return the answer for the whole film, TID 1501."""
    items = [
        *_tracking(film, content, "film"),
        *_finding(content),
        *_algorithm(content),
        _item(_CONTAINS, "IMAGE", codes.SOURCE, ReferencedSOPSequence=_film_sequence(film)),
    ]
    if content.p_fracture is not None:
        value = Dataset()
        value.NumericValue = f"{100.0 * content.p_fracture:.1f}"
        value.MeasurementUnitsCodeSequence = coded(codes.PERCENT)
        measured = Sequence([value])
        items.append(_item(_CONTAINS, "NUM", codes.CERTAINTY, MeasuredValueSequence=measured))
    items += [
        _evaluation(content),
        _text(_CONTAINS, codes.COMMENT, f"{content.headline}. {content.explanation}"),
        _text(_CONTAINS, codes.COMMENT, f"{WARNING}. {NOTICE}"),
    ]
    return _container(codes.GROUP, items, template="1501")


def _region_group(film: Film, content: ResultContent, number: int, region: Rectangle) -> Dataset:
    """Return a suspicious region, TID 1410; without number: its score is no certainty."""
    left, top, right, bottom = region
    corners = (left, top, right, top, right, bottom, left, bottom, left, top)
    outline = _item(
        _CONTAINS,
        "SCOORD",
        codes.IMAGE_REGION,
        GraphicType="POLYLINE",
        GraphicData=[float(each) for each in corners],
        ContentSequence=Sequence([_image(_SELECTED, None, film)]),
    )
    items = [
        *_tracking(film, content, f"region {number}"),
        *_finding(content),
        *_algorithm(content),
        outline,
        _evaluation(content),
    ]
    return _container(codes.GROUP, items, template="1410")


def _tracking(film: Film, content: ResultContent, name: str) -> list[Dataset]:
    uid = derive_uid("tracking", film.sop_instance_uid, content.film_sha256, name)
    return [
        _text(_OBSERVES, codes.TRACKING_ID, f"bonefx {name}"),
        _item(_OBSERVES, "UIDREF", codes.TRACKING_UID, UID=uid),
    ]


def _finding(content: ResultContent) -> list[Dataset]:
    """Return the finding "Fracture" where one is suspected: it must not stand there otherwise."""
    if content.state is not State.FRACTURE:
        return []
    return [_code(_CONTAINS, codes.FINDING, codes.FRACTURE)]


def _evaluation(content: ResultContent) -> Dataset:
    return _code(_CONTAINS, codes.FRACTURE, codes.OF_STATE[content.state])


def _algorithm(content: ResultContent) -> list[Dataset]:
    """Return what found it, TID 4019."""
    return [
        _text(_MODIFIES, codes.ALGORITHM_NAME, f"bonefx {content.model_name}"),
        _text(_MODIFIES, codes.ALGORITHM_VERSION, content.model_version),
        _text(_MODIFIES, codes.ALGORITHM_MANUFACTURER, MANUFACTURER),
        *(_text(_MODIFIES, codes.ALGORITHM_PARAMETERS, each) for each in content.parameters),
        _code(_MODIFIES, codes.ALGORITHM_FAMILY, codes.ARTIFICIAL_INTELLIGENCE),
    ]


def _container(name: Code, items: Iterable[Dataset], *, template: str | None = None) -> Dataset:
    container = _item(
        _CONTAINS,
        "CONTAINER",
        name,
        ContinuityOfContent="SEPARATE",
        ContentSequence=Sequence(items),
    )
    if template is not None:
        named = Dataset()
        named.MappingResource, named.TemplateIdentifier = "DCMR", template
        container.ContentTemplateSequence = Sequence([named])
    return container


def _text(relationship: str, name: Code, text: str) -> Dataset:
    return _item(relationship, "TEXT", name, TextValue=text)


def _code(relationship: str, name: Code, value: Code) -> Dataset:
    return _item(relationship, "CODE", name, ConceptCodeSequence=coded(value))


def _image(relationship: str, name: Code | None, film: Film) -> Dataset:
    return _item(relationship, "IMAGE", name, ReferencedSOPSequence=_film_sequence(film))


def _film_sequence(film: Film) -> Sequence:
    return Sequence([reference_item(film.sop_class_uid, film.sop_instance_uid)])


def _item(relationship: str, value_type: str, name: Code | None, **values: Any) -> Dataset:
    """Return a content item (PS3.3 section C.17.3)."""
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, value_type
    if name is not None:
        item.ConceptNameCodeSequence = coded(name)
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
