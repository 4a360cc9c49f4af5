"""The structured report: valid, read by others, and with the patient's bytes as they came."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import highdicom
import pydicom
import pytest
from bonefx_dicom.results.build import build_result_report
from bonefx_dicom.results.codes import OF_STATE
from bonefx_dicom.results.content import ResultContent
from bonefx_dicom.results.film import NoStudyError, read_film
from bonefx_dicom.results.structured_report import build_report
from bonefx_edge.errors import Reason
from bonefx_edge.finding import ModelId
from bonefx_edge.inference.decision import Caution, State
from pydicom.sr._concepts_dict import concepts
from study_films import CR, KINDS_OF_FILM, NAMES, demo_pixels, film_file, rg_film

from tests.dicom.results.conftest import FINDINGS, record_of

WHEN = datetime(2026, 11, 29, 7, 0, tzinfo=UTC)
FILMS = {
    **{
        kind: lambda changes=changes: film_file(demo_pixels(), **changes)
        for kind, changes in KINDS_OF_FILM.items()
    },
    "CR of pydicom, chest": rg_film,
    "CR of pydicom, leg": lambda: rg_film("RG3_UNCR"),
    "no laterality": lambda: film_file(ImageLaterality=None),
    "no accession number": lambda: film_file(AccessionNumber=None),
    "nothing of type 2": lambda: film_file(
        sop_class=CR,
        **dict.fromkeys(("StudyID", "StudyDate", "StudyTime", "PatientSex", "PatientBirthDate")),
    ),
}


def report_of(data, finding=FINDINGS["fracture"], when=WHEN, **options):
    return build_result_report(data, record_of(data, finding), when, **options)


@pytest.mark.parametrize("state", FINDINGS)
@pytest.mark.parametrize("film", FILMS)
def test_dciodvfy_finds_no_error(film, state, errors_of) -> None:
    assert errors_of(report_of(FILMS[film](), FINDINGS[state]).data) == []


def test_dciodvfy_finds_no_error_in_a_comprehensive_sr_with_a_predecessor(errors_of) -> None:
    data = film_file()
    content = ResultContent.from_record(record_of(data, FINDINGS["fracture"]))
    report = build_report(
        read_film(data), content, WHEN, is_3d=False, replaces=report_of(data).reference
    )
    assert report.reference.sop_class_uid == "1.2.840.10008.5.1.4.1.1.88.33"
    assert errors_of(report.data) == []


@pytest.mark.parametrize("charset", NAMES)
def test_name_and_identifier_have_the_bytes_of_the_film(charset, errors_of) -> None:
    identifier = b"\xc4-17" if charset == "ISO_IR 100" else b"4711"
    film = film_file(charset=charset, name=NAMES[charset], identifier=identifier)
    report = report_of(film)
    for data in (film, report.data):
        dataset = pydicom.dcmread(BytesIO(data))
        raw = {word: dataset.get_item(word).value for word in ("PatientName", "PatientID")}
        assert raw["PatientName"].rstrip(b" ") == NAMES[charset]
        assert raw["PatientID"].rstrip(b" ") == identifier
        value = charset.encode() + b" " * (len(charset) % 2)
        assert b"\x08\0\x05\0CS" + len(value).to_bytes(2, "little") + value in data
    # dciodvfy does not know half-width katakana (ISO_IR 13), in the film neither.
    known = errors_of(film) if charset == "ISO_IR 13" else []
    assert set(errors_of(report.data)) <= set(known)


@pytest.mark.parametrize("state", FINDINGS)
def test_dsrdump_reads_it(state, tmp_path) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(report_of(film_file(), FINDINGS[state]).data)
    done = subprocess.run(["dsrdump", "+Pl", path], capture_output=True, text=True, check=True)  # noqa: S607
    assert done.stderr == ""
    value = {
        "fracture": '(415684004,SCT,"Suspected")',
        "uncertain": '(82334004,SCT,"Indeterminate")',
        "unfamiliar": '(82334004,SCT,"Indeterminate")',
        "no_fracture": '(260385009,SCT,"Negative")',
        "refused": '(373121007,SCT,"Not Evaluated")',
    }[state]
    assert f'CODE:(,,"Fracture")={value}' in done.stdout
    assert "Verification Flag   : UNVERIFIED" in done.stdout
    assert "AI result, not for diagnosis" in done.stdout
    assert ("truncated: expected all, got half" in done.stdout) == (state == "refused")
    caution = "Uncertain (unfamiliar). Unlike the films that this model was made with (distance"
    assert (caution in done.stdout) == (state == "unfamiliar")
    assert ('"Certainty of Finding"' in done.stdout) == (state != "refused")


@pytest.mark.parametrize("state", FINDINGS)
def test_highdicom_gives_back_state_number_algorithm_and_regions(state, tmp_path) -> None:
    finding = FINDINGS[state]
    path = tmp_path / "sr.dcm"
    path.write_bytes(report_of(film_file(), finding).data)
    report = highdicom.sr.srread(path)
    assert isinstance(report, highdicom.sr.Comprehensive3DSR)
    assert report.VerificationFlag == "UNVERIFIED"
    whole, *_ = report.content.get_image_measurement_groups()
    regions = report.content.get_planar_roi_measurement_groups()
    meanings = {
        each.name.meaning: each.value.meaning for each in whole.get_qualitative_evaluations()
    }
    words = {
        State.FRACTURE: "Suspected", State.UNCERTAIN: "Indeterminate",
        State.NO_FRACTURE: "Negative", State.REFUSED: "Not Evaluated",
    }  # fmt: skip
    assert meanings["Fracture"] == words[finding.state]
    comments = [
        item.TextValue
        for item in whole[0].ContentSequence
        if item.ValueType == "TEXT" and item.name.meaning == "Comment"
    ]
    caution = "Uncertain (unfamiliar). Unlike the films"
    assert comments[0].startswith(caution) == (state == "unfamiliar")
    assert ("does not decide" in comments[0]) == (state == "unfamiliar")
    numbers = [each.value for each in whole.get_measurements()]
    assert numbers == ([] if finding.p_fracture is None else [100 * finding.p_fracture])
    names = {item.name.meaning: item for item in whole[0].ContentSequence}
    assert names["Algorithm Name"].value == "bonefx toy"
    assert names["Algorithm Version"].value == "1.0.0"
    assert names["Algorithm Family"].value.meaning == "Artificial Intelligence"
    assert ("Finding" in names) == (state == "fracture")
    assert len(regions) == len(finding.regions)
    for group, region in zip(regions, finding.regions, strict=True):
        corners = group.roi.value
        assert corners.min(axis=0).tolist() == [region.left, region.top]
        assert corners.max(axis=0).tolist() == [region.right, region.bottom]
        assert list(group.get_measurements()) == []


def test_values_and_their_context_groups_are_those_of_the_standard() -> None:
    """The page for the radiologist names the groups; pydicom has them from PS3.16."""
    groups = {
        State.FRACTURE: [3770], State.UNCERTAIN: [4220], State.NO_FRACTURE: [250],
        State.REFUSED: [3703],
    }  # fmt: skip
    for state, (value, scheme, meaning) in OF_STATE.items():
        known = [each[value] for each in concepts[scheme].values() if value in each]
        assert (meaning, groups[state]) in known


def test_it_says_whether_the_site_commissioned_the_model() -> None:
    commissioned = report_of(film_file()).data
    assert b"site profile efefefefefef of 2026-11-29" in commissioned
    plain = report_of(film_file(), replace(FINDINGS["fracture"], site_profile=None)).data
    assert b"not commissioned" in plain


def test_the_same_input_gives_the_same_bytes_whatever_it_took() -> None:
    slower = replace(FINDINGS["fracture"], path="another/film.dcm", runtime="another")
    assert report_of(film_file()) == report_of(film_file(), slower)


@pytest.mark.parametrize("change", ["model", "content", "time", "predecessor"])
def test_another_input_gives_another_object_in_the_same_series(change) -> None:
    data, finding, when, replaces = film_file(), FINDINGS["fracture"], WHEN, None
    before = report_of(data).reference
    if change == "model":
        finding = replace(finding, model=ModelId("toy", "1.0.1", "ce" * 32))
    elif change == "content":
        data = film_file(np_pixels())
    elif change == "time":
        when += timedelta(seconds=1)
    else:
        replaces = before
    after = report_of(data, finding, when, replaces=replaces).reference
    assert after.sop_instance_uid != before.sop_instance_uid
    assert (after.study_uid, after.series_uid) == (before.study_uid, before.series_uid)


def np_pixels():
    return demo_pixels("not-fractured")


def test_a_report_names_its_film_and_its_predecessor() -> None:
    data = film_file()
    before = report_of(data).reference
    dataset = pydicom.dcmread(BytesIO(report_of(data, replaces=before).data))
    film = dataset.CurrentRequestedProcedureEvidenceSequence[0]
    assert film.StudyInstanceUID == dataset.StudyInstanceUID
    assert film.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.826.0.1.3680043.8.498.1.2"
    older = dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    named = older.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == before.sop_instance_uid


def test_its_time_is_in_the_time_zone_of_the_film() -> None:
    dataset = pydicom.dcmread(BytesIO(report_of(film_file(TimezoneOffsetFromUTC="-0930")).data))
    assert (dataset.ContentDate, dataset.ContentTime) == ("20261128", "213000")
    assert dataset.TimezoneOffsetFromUTC == "-0930"


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_film_that_names_no_study_gets_no_object(keyword) -> None:
    with pytest.raises(NoStudyError, match="UID of study, series or image"):
        report_of(film_file(**{keyword: None}))


def test_a_file_that_is_not_dicom_or_no_radiograph_gets_no_object() -> None:
    with pytest.raises(NoStudyError, match="not DICOM"):
        report_of(b"\xff\xd8 a photograph")
    with pytest.raises(NoStudyError, match="not a radiograph"):
        report_of(film_file(), replace(FINDINGS["refused"], reason=Reason.WRONG_MODALITY))


def test_texts_of_a_refusal_are_ascii_in_every_character_set() -> None:
    refused = replace(FINDINGS["refused"], detail="3 \u00d7 4\n\\~\u2026")
    assert b"truncated: 3 ? 4 ???" in report_of(film_file(charset="ISO_IR 13"), refused).data


def test_an_age_out_of_range_is_named_and_the_age_is_not(tmp_path) -> None:
    detail = "The model was not evaluated at the age of this patient. Read it by eye."
    finding = replace(FINDINGS["unfamiliar"], caution=Caution.AGE_OUT_OF_RANGE, detail=detail)
    path = tmp_path / "sr.dcm"
    path.write_bytes(report_of(film_file(), finding).data)
    done = subprocess.run(["dsrdump", "+Pl", path], capture_output=True, text=True, check=True)  # noqa: S607
    assert "Uncertain (age_out_of_range). The model was not evaluated" in done.stdout
