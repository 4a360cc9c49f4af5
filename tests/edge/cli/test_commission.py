"""edge-admin commission: from films of a site to a report and to thresholds that are used."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import pytest
from bonefx_edge.inference.familiarity import Familiarity
from bonefx_edge.model.model_file import ModelFile, write_model_file
from bonefx_edge.model.site_profile import SiteProfile, site_thresholds
from bonefx_edge.model.strict_json import build
from image_files import dicom_file
from toy import film, toy_path, toy_whole

BIN = Path(sys.executable).parent
TOY = f"--model={toy_path('int8')}"
BY = ("--by", "A. Physicist")


def run(command: str, *args: object) -> subprocess.CompletedProcess[str]:
    words = [str(BIN / command), *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def write_films(folder: Path, grays: Iterable[int]) -> Path:
    """Write a film of each mean gray: the brighter, the less fractured for the toy."""
    folder.mkdir(parents=True, exist_ok=True)
    for gray in grays:
        cv2.imwrite(str(folder / f"patient-{gray}.png"), film(gray))
    return folder


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory) -> Path:
    """Return a folder with 70 normal films, two files that are none, and 60 fractured films."""
    site = tmp_path_factory.mktemp("site")
    write_films(site / "normal", range(60, 200, 2))
    write_films(site / "fractured", range(40, 160, 2))
    (site / "normal" / "empty.png").touch()
    (site / "normal" / "note.txt").write_text("not a film")
    return site


@pytest.fixture(name="out", scope="module")
def _out(site, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out") / "new"
    done = run("edge-admin", "commission", site, *BY, "--out", out, TOY)
    assert (done.returncode, done.stderr) == (0, "")
    assert "normal     72 films (patients not given, counted as 72), 2 refused" in done.stdout
    words = done.stdout.replace("\n", " ")
    assert "normal films, on average at most 9.9% are called fracture" in words  # 7 of 71
    assert "(n = 70 films). Refused films do not count" in words
    assert "as long as each of these films is of another patient" in words
    assert "not a diagnosis" in done.stdout.replace("\n", " ")
    return out


def test_the_profile_says_who_what_and_how_many(out) -> None:
    record = json.loads((out / "site-profile.json").read_text())
    profile = build(SiteProfile, record, where="profile")
    assert (profile.by, profile.model.name, profile.model.mode) == ("A. Physicist", "toy", "whole")
    assert (profile.normal.films, profile.normal.refused) == (72, 2)
    limit = profile.fracture_limit
    assert (limit.n, limit.beyond, limit.expected) == (70, 6, 7 / 71)
    assert {each.name for each in profile.reference} == {"p_fracture", "mean", "std", "roughness"}


def test_the_site_has_its_wanted_specificity_on_the_films_that_chose_it(site, out) -> None:
    profile = out / "site-profile.json"
    done = run(
        *("edge-classify", site, "--site-profile", profile, "--format", "json", TOY, "--jobs", 1)
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    normal = [each for each in records if "/normal/" in each["path"] and not each["reason"]]
    fractured = [each for each in records if "/fractured/" in each["path"]]
    assert sum(each["state"] == "fracture" for each in normal) in (6, 7)
    assert sum(each["state"] == "no_fracture" for each in fractured) <= 3
    assert all(each["site_profile"] for each in records)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_the_page_is_one_file_without_script_network_or_names_of_films(out) -> None:
    page = (out / "report.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "link", "img", "iframe"} & tags.seen
    assert "http" not in page
    for text in (page, (out / "report.json").read_text(), (out / "site-profile.json").read_text()):
        assert "patient-" not in text
    assert "not a diagnosis" in page
    svg = page[page.index("<svg") : page.index("</svg>") + len("</svg>")]
    assert len(ET.fromstring(svg).findall("rect")) > 20  # noqa: S314 - our own page
    assert "not_an_image" in page


def test_the_report_counts_states_by_both_pairs_of_thresholds(out) -> None:
    report = json.loads((out / "report.json").read_text())
    model, site = report["thresholds"]
    assert (model["name"], site["name"]) == ("model", "site")
    normal, fractured = site["rows"]
    assert (normal["films"], normal["refused"], normal["share"]["n"]) == (72, 2, 70)
    assert fractured["figure"] == "sensitivity"
    refused = normal["of_all_films"]["refused"]
    assert (refused["n"], refused["value"]) == (72, 2 / 72)
    assert refused["low"] < 2 / 72 < refused["high"]
    assert report["refused"] == [
        {"reason": "empty", "normal": 1, "fractured": 0},
        {"reason": "not_an_image", "normal": 1, "fractured": 0},
    ]
    assert [rule["rule"] for rule in report["rules"]] == ["expected", "guaranteed"]
    assert report["films"] is None


def test_the_listed_scores_lie_on_the_side_of_their_states(out) -> None:
    report = json.loads((out / "report.json").read_text())
    for row in report["thresholds"][1]["rows"]:
        scores = report["scores"][row["class"]]
        assert sum(score >= 0.67 for score in scores) == row["fracture"]
        assert sum(score < 0.33 for score in scores) == row["no_fracture"]


def test_names_are_listed_only_when_asked_for(site, tmp_path) -> None:
    done = run("edge-admin", "commission", site, *BY, "--out", tmp_path, "--names", TOY)
    assert done.returncode == 0
    page = (tmp_path / "report.html").read_text()
    assert "patient-60.png" in page  # the normal film that is most like a fracture
    assert "patient-198.png" not in page
    assert "patient-" not in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--specificity", "0.99"), "72 normal, at least 99 are needed"),
        (("--rule", "guaranteed", "--specificity", "0.97"), "at least 76 are needed"),
        (("--rule", "best"), "expected one of expected, guaranteed"),
        (("--specificity", "1.5"), "expected shares from 0.5 to 0.99, got 1.5"),
    ],
)
def test_a_wish_that_the_films_cannot_keep_exits_2_with_the_number_needed(
    site, tmp_path, options, words
) -> None:
    done = run("edge-admin", "commission", site, *BY, "--out", tmp_path / "out", TOY, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "out").exists()


def test_films_of_one_patient_count_once_by_the_worst(site, tmp_path) -> None:
    films = sorted((site / "normal").glob("*.png"))
    films = [path for path in films if path.stat().st_size]
    rows = [f"{path},normal,p{i // 2 if i < 20 else i},hand,{i}" for i, path in enumerate(films)]
    table = tmp_path / "films.csv"
    table.write_text("\n".join(["path,label,group,body_part,age", *rows]))
    done = run("edge-admin", "commission", table, *BY, "--out", tmp_path / "out", TOY)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["normal"]["films"], report["normal"]["patients"]) == (70, 60)
    assert report["limits"]["fracture_from"]["n"] == 60
    words = done.stdout.replace("\n", " ")
    assert "normal     70 films of 60 patients, 0 refused" in words
    assert "Of further patients with normal films, on average at most 9.8% have a film" in words
    assert report["limits"]["no_fracture_below"] is None
    by = {(row["by"], row["value"]) for row in report["thresholds"][0]["rows"]}
    assert {("body part", "hand"), ("age", "0 to 1"), ("age", "65 and over")} <= by
    table.write_text("\n".join(["path,label,group", *(f"{path},normal,one" for path in films)]))
    again = run("edge-admin", "commission", table, *BY, "--out", tmp_path / "out", TOY)
    assert again.returncode == 2
    assert "1 normal, at least 60 are needed" in again.stderr


def test_copies_of_one_film_are_of_one_patient(site, tmp_path) -> None:
    folder = tmp_path / "normal"
    folder.mkdir()
    data = (site / "normal" / "patient-100.png").read_bytes()
    for i in range(60):
        (folder / f"{i}.png").write_bytes(data)
    done = run("edge-admin", "commission", tmp_path, *BY, "--out", tmp_path / "out", TOY)
    assert done.returncode == 2
    assert "1 normal, at least 60 are needed" in done.stderr


def test_a_profile_is_made_again_for_another_model_by_the_same_command(site, out, tmp_path) -> None:
    other = f"--model={toy_path('float32')}"
    refused = run("edge-classify", site, "--site-profile", out / "site-profile.json", other)
    assert refused.returncode == 2
    assert run("edge-admin", "commission", site, *BY, "--out", tmp_path, other).returncode == 0
    sha256 = json.loads((tmp_path / "site-profile.json").read_text())["model"]["sha256"]
    site = site_thresholds(tmp_path / "site-profile.json", sha256, toy_whole(), named=None)
    assert site.operating_point.name == "site"


def test_without_room_for_the_report_it_exits_1(site, tmp_path) -> None:
    (tmp_path / "file").touch()
    done = run("edge-admin", "commission", site, *BY, "--out", tmp_path / "file" / "out", TOY)
    assert done.returncode == 1
    assert "give another --out" in done.stderr


def test_age_and_body_part_come_from_dicom_where_the_site_did_not_say(tmp_path) -> None:
    folder = tmp_path / "normal"
    folder.mkdir()
    for i in range(60):
        elements = {"PatientAge": f"{i:03}Y", "BodyPartExamined": "HAND"}
        (folder / f"{i}.dcm").write_bytes(dicom_file(film(100 + i), **elements))
    done = run("edge-admin", "commission", tmp_path, *BY, "--out", tmp_path / "out", TOY)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "report.json").read_text())["thresholds"][0]["rows"]
    found = {(row["by"], row["value"]): row["films"] for row in rows}
    assert found["body part", "hand"] == 60
    assert [found["age", value] for value in ("0 to 1", "2 to 4", "5 to 11", "18 to 64")] == [
        *(2, 3, 7, 42)
    ]


def test_a_site_whose_normals_score_low_has_no_band_of_uncertain_films(tmp_path) -> None:
    write_films(tmp_path / "normal", range(160, 220))  # p_fracture to 0.12, the model has 0.25
    done = run("edge-admin", "commission", tmp_path, *BY, "--out", tmp_path / "out", TOY)
    assert done.returncode == 0, done.stderr
    profile = json.loads((tmp_path / "out" / "site-profile.json").read_text())
    assert profile["no_fracture_below"] == profile["fracture_from"] < 0.25
    assert profile["no_fracture_limit"] is None


def test_a_site_with_a_header_fault_is_commissioned_with_its_switch(tmp_path) -> None:
    (tmp_path / "normal").mkdir()
    for gray in range(60, 190, 2):
        content = dicom_file(film(gray), PresentationLUTShape="INVERSE")
        (tmp_path / "normal" / f"{gray}.dcm").write_bytes(content)
    words = ("commission", tmp_path, *BY, "--out", tmp_path / "out", TOY)
    assert run("edge-admin", *words).returncode == 2
    done = run("edge-admin", *words, "--accept", "presentation-lut-shape")
    assert (done.returncode, done.stderr) == (0, "")
    assert "site-profile.json --accept presentation-lut-shape" in done.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["accepted"] == [
        {"switch": "presentation-lut-shape", "normal": 65, "fractured": 0}
    ]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Answered by a site switch" in page


def write_unfamiliar(path: Path) -> Path:
    """Write the tiled toy to which films with a contrast of 40 are unfamiliar, 20 are not."""
    model = ModelFile.read(toy_path("tiled-float32"))
    check = dataclasses.replace(model.manifest.input_check, familiarity=Familiarity(2.0, ()))
    manifest = dataclasses.replace(model.manifest, input_check=check)
    write_model_file(path, flatbuffer=model.flatbuffer, manifest=manifest)
    return path


def test_an_unfamiliar_film_counts_as_uncertain_as_people_see_it(tmp_path) -> None:
    model = write_unfamiliar(tmp_path / "toy.tflite")
    site = tmp_path / "site"
    for name in ("normal", "fractured"):
        write_films(site / name, range(60, 190, 2))
        for gray in range(60, 80, 2):  # of the highest scores
            pixels = film(gray, contrast=40)
            cv2.imwrite(str(site / name / f"strange-{gray}.png"), pixels)
    words = (*BY, "--out", tmp_path / "out", f"--model={model}", "--mode=whole")
    done = run("edge-admin", "commission", site, *words)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    by_model, by_site = (
        {row["class"]: row for row in pair["rows"]} for pair in report["thresholds"]
    )
    for rows in (by_model, by_site):
        for row in rows.values():
            assert (row["films"], row["unfamiliar"]) == (75, 10)
            assert row["of_all_films"]["unfamiliar"]["value"] == pytest.approx(10 / 75)
    # Scores of 36 of the 75 normal films are from 0.75 on; 10 of them are unfamiliar.
    assert by_model["normal"]["fracture"] == 26
    assert by_model["normal"]["share"]["value"] == pytest.approx(1 - 26 / 75)
    # Six scores are beyond the threshold; three of them are of unfamiliar films.
    assert by_site["normal"]["fracture"] == 3
    assert by_site["fractured"]["called_fracture"]["value"] == pytest.approx(3 / 75)
    assert by_site["fractured"]["share"]["value"] >= 0.9
    options = ("--site-profile", tmp_path / "out" / "site-profile.json", "--format", "json")
    done = run("edge-classify", site / "normal", *options, *words[-2:], "--jobs", 1)
    states = [json.loads(line)["state"] for line in done.stdout.splitlines()]
    assert {state: states.count(state) for state in set(states)} == {
        state: by_site["normal"][state] for state in set(states)
    }
    profile = json.loads((tmp_path / "out" / "site-profile.json").read_text())
    assert profile["specificity"]["value"] == pytest.approx(72 / 75)
    assert "unfamiliar 10 (" in (tmp_path / "out" / "report.html").read_text()


def test_ages_of_sixty_normal_patients_open_the_ages_of_the_site(tmp_path) -> None:
    rows = [f"{gray}.png,normal,{gray},{3 + gray % 10}" for gray in range(80, 180)]
    write_films(tmp_path, [])
    for gray in range(80, 180):
        cv2.imwrite(str(tmp_path / f"{gray}.png"), film(gray))
    csv = tmp_path / "films.csv"
    for number, ages in ((59, None), (100, {"from_years": 3.0, "below_years": 13.0})):
        aged = [row if i < number else row.rsplit(",", 1)[0] + "," for i, row in enumerate(rows)]
        csv.write_text("\n".join(["path,label,group,age", *aged]))
        done = run("edge-admin", "commission", csv, *BY, "--out", tmp_path / "out", TOY)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "out" / "site-profile.json").read_text())["ages"] == ages
        text = " ".join((tmp_path / "out" / "report.html").read_text().split())
        assert ("a patient of 3 to below 13 years never gets the caution" in text) == bool(ages)


def test_progress_is_told_to_a_program_in_a_line_for_each_film(tmp_path) -> None:
    write_films(tmp_path / "site" / "normal", range(60, 182, 2))
    done = run(
        "edge-admin", "commission", tmp_path / "site", *BY, "--out", tmp_path, TOY, "--progress"
    )
    assert done.stderr.splitlines() == [f"{number}/61" for number in range(1, 62)]
