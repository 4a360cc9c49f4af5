"""List, film, verdict, report and export."""

import csv
import dataclasses
from contextlib import closing

import pytest
from bonefx_edge import NOTICE
from bonefx_page.figures import Share, report_of
from bonefx_page.rendering import language_of
from bonefx_page.store.database import DATABASE_NAME, connect, create
from bonefx_page.store.verdicts import Answer, Group, Predictor, Verdicts
from bonefx_train.data.boxes import read_boxes
from bonefx_train.data.manifest_csv import read_manifest
from page_client import NAME, answered, contents, give

BOX = {"left": "10", "top": "20", "width": "30", "height": "40"}


def test_the_list_shows_names_states_and_pictures_with_the_notice(reader, out) -> None:
    page = reader.get("/?day=all").text
    assert all(f"{NAME}-{number}.png" in page for number in range(3))
    assert "not an image" in page
    assert NOTICE in page
    assert f"/picture/{answered(out)}/thumb" in page
    assert "lite" in page or "toy" in page


@pytest.mark.parametrize(
    "address",
    [
        *("/?state=x", "/?day=x", "/?day=2026-13-01", "/?after=1", "/?reading=x"),
        *(f"/?after={key}" for key in ("0_1.0_9223372036854775808", "-9_1.0_1", "0_nan_1")),
    ],
)
def test_an_address_that_no_page_has_is_refused(reader, address) -> None:
    assert reader.get(address).status_code == 400


def test_no_name_is_in_an_address_or_a_title(reader, out) -> None:
    page = reader.get(f"/film/{answered(out)}").text
    assert NAME not in page.partition("</title>")[0]
    assert not any(NAME in part.partition('"')[0] for part in page.split('href="')[1:])


def test_a_refused_film_says_what_to_do(reader, out) -> None:
    refused = next(iter(set(contents(out)) - {answered(out)}))
    pages = [reader.get(f"/film/{sha256}").text for sha256 in contents(out)]
    assert refused
    assert any("send JPEG, PNG, TIFF, BMP or DICOM" in page for page in pages)


def test_a_verdict_is_kept_with_its_history_and_what_it_is_about(reader, out) -> None:
    film = answered(out)
    assert give(reader, film, answer="fracture", **BOX, remark="distal").status_code == 303
    assert give(reader, film, answer="no_fracture").status_code == 303
    page = reader.get(f"/film/{film}").text
    assert page.index("no fracture</strong>, reader") < page.index("fracture</strong>, with place")
    assert "distal" in page


@pytest.mark.parametrize(
    "form",
    [
        {"answer": "maybe"},
        {"answer": "fracture", "left": "10"},
        {"answer": "fracture", **BOX, "width": "nan"},
        {"answer": "fracture", **BOX, "left": "120"},
        {"answer": "fracture", "classified_at": "1.0"},
    ],
)
def test_a_verdict_that_says_nothing_clear_is_not_kept(reader, out, form) -> None:
    film = answered(out)
    assert give(reader, film, **form).status_code == 400
    assert "Verdicts</h2>" not in reader.get(f"/film/{film}").text


def test_a_lost_database_is_made_again_of_the_files(reader, out, settings) -> None:
    film = answered(out)
    give(reader, film, answer="fracture", **BOX)
    give(reader, film, answer="unsure")
    files = settings.data / "verdicts" / f"{film}.jsonl"
    with files.open("a") as stream:
        stream.write('{"half')  # of a power cut
    (settings.data / "page.sqlite").unlink()
    with closing(connect(create(settings.data))) as connection:
        verdicts = Verdicts(connection, settings.data)
        assert verdicts.rebuild() == 2
        assert [each.answer for each in verdicts.history(film)] == ["fracture", "unsure"]
        assert verdicts.history(film)[0].box == pytest.approx((0.1, 0.2, 0.3, 0.4))


def test_the_export_is_what_the_trainer_reads(reader, out) -> None:
    films = out.parent / "films"
    for sha256 in contents(out):
        label = "fracture" if sha256 == answered(out) else "no_fracture"
        assert give(reader, sha256, answer=label, **BOX).status_code == 303
    for name in ("manifest.csv", "boxes.csv"):
        (films / name).write_bytes(reader.get(f"/export/{name}").content)
    samples, _ = read_manifest(films / "manifest.csv")
    boxes = read_boxes(films / "boxes.csv")
    (films / "manifest.csv").unlink()
    (films / "boxes.csv").unlink()
    assert len(samples) == 4
    assert sum(sample.label.name == "FRACTURED" for sample in samples) == 1
    ((path, (box,)),) = boxes.items()
    assert path in {sample.key for sample in samples}
    assert [round(edge, 6) for edge in box] == [0.1, 0.2, 0.4, 0.6]


def test_the_report_counts_current_verdicts_only(reader, out) -> None:
    assert "no verdict yet" in reader.get("/report").text
    give(reader, answered(out), answer="fracture")
    give(reader, answered(out), answer="no_fracture")
    assert "Verdicts that count: 1." in reader.get("/report").text


def test_two_kinds_of_one_model_are_two_rows_of_the_report(reader, out, settings) -> None:
    give(reader, answered(out), answer="fracture")
    with closing(connect(settings.data / DATABASE_NAME)) as connection:
        verdicts = Verdicts(connection, settings.data)
        (first,) = verdicts.history(answered(out))
        other = dataclasses.replace(first, sha256="0" * 64, model_sha256="d" * 64)
        verdicts.give(other)
    page = reader.get("/report").text
    for digits in (first.model_sha256[:12], "d" * 12):
        assert f"{first.model} ({digits}), " in page


def test_the_report_counts_by_week_and_body_part() -> None:
    predictor = Predictor("lite0 0.6.0", "c" * 64, "tiled", "balanced", None)
    groups = [
        Group("2026-11-29", Answer.FRACTURE, "fracture", predictor, "hand", 3),
        Group("2026-11-30", Answer.NO_FRACTURE, "fracture", predictor, None, 2),
        Group("2026-11-30", Answer.FRACTURE, "uncertain", predictor, "ankle", 1),
    ]
    report = report_of(groups)
    assert {week: each.n for week, each in report.weeks.items()} == {"2026-W49": 3, "2026-W48": 3}
    assert list(report.body_parts) == ["ankle", "hand"]
    assert report.all.sensitivity.n == 4
    assert report.all.agreement == Share(3, 5)


def test_a_slip_is_one_page_with_the_notice(reader, out) -> None:
    page = reader.get(f"/film/{answered(out)}/slip").text
    assert NOTICE in page
    assert "Printed" in page


def test_an_interval_of_wilson_is_that_of_the_literature() -> None:
    """Newcombe 1998, table I: 81 of 263, method 3: 0.2553 to 0.3662."""
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(
    ("language", "word"), [("de-AT,de;q=0.9", "Anmelden"), ("es", "Iniciar sesión"), ("fr", "Sign")]
)
def test_the_page_speaks_the_language_of_the_browser(client, language, word) -> None:
    page = client.get("/sign-in", headers={"Accept-Language": language}).text
    assert word in page
    assert f'<html lang="{language_of(language)}">' in page


def test_the_exported_columns_are_those_of_the_documentation(reader) -> None:
    lines = reader.get("/export/boxes.csv").text.splitlines()
    assert next(csv.reader(lines)) == ["path", "x_center", "y_center", "width", "height"]


def test_the_button_agree_counts_and_not_the_answer_that_was_chosen_before(reader, out) -> None:
    film = answered(out)
    give(reader, film, answer=["no_fracture", "fracture"])  # a radio, then the button
    assert "<strong>fracture</strong>, reader" in reader.get(f"/film/{film}").text
