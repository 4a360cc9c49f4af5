"""Which films a site gave: folders and CSV, and what is refused with a reason."""

import pytest
from bonefx_edge.diagnostics.commissioning.films import age_in_years, read_films
from bonefx_edge.errors import UsageError


def read(source):
    return read_films(source, list_folder=lambda folder: sorted(folder.iterdir()))


@pytest.mark.parametrize("names", [("normal", "fractured"), ("Not_Fractured", "Fracture")])
def test_two_folders_are_the_two_classes(tmp_path, names) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    (tmp_path / ".hidden").mkdir()
    found = read(tmp_path)
    assert {film.path.parent.name: film.is_fractured for film in found} == {
        names[0]: False,
        names[1]: True,
    }


def test_a_csv_gives_group_body_part_and_age_and_may_have_other_columns(tmp_path) -> None:
    path = tmp_path / "films.csv"
    path.write_text(
        "path,label,group,body_part,age,split\n"
        "a.png,normal,p1,Hand,7,test\nb.png,fractured,p1,,018M,test\n",
        encoding="utf-8-sig",
    )
    a, b = read(path)
    assert (a.path, a.is_fractured, a.group) == (tmp_path / "a.png", False, "p1")
    assert (a.body_part, a.age_years) == ("hand", 7)
    assert (b.is_fractured, b.body_part, b.age_years) == (True, "", 1.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\na.png,abnormal\n", "line 2: expected normal or fractured, got 'abnormal'"),
        ("path,label\na.png,\n", "line 2: expected the columns path and label"),
        ("file,label\na.png,normal\n", "expected the columns path and label"),
        ("path,label,age\na.png,normal,old\n", "line 2: age"),
        ("path,label,age\na.png,normal,nan\n", "line 2: age"),
        ("path,label\na.png,normal\na.png,normal\n", "1 films are named twice"),
        ("path,label\n", "found no film"),
    ],
)
def test_a_csv_that_means_nothing_is_refused_with_its_line(tmp_path, text, words) -> None:
    path = tmp_path / "films.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert words in str(caught.value)


def test_another_folder_name_is_refused(tmp_path) -> None:
    (tmp_path / "misc").mkdir()
    with pytest.raises(UsageError, match="got 'misc'"):
        read(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot read the folder"):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("text", "years"), [("045Y", 45), ("006m", 0.5), ("0.5", 0.5), ("000D", 0), (" ", None)]
)
def test_ages_are_years_or_dicom_age_strings(text, years) -> None:
    assert age_in_years(text) == years
