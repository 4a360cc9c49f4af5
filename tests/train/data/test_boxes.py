import pytest
from bonefx_train.data.boxes import Box, read_boxes
from bonefx_train.errors import DataError

HEAD = "path,x_center,y_center,width,height\n"


def test_boxes_are_edges_as_shares_of_the_image_and_stay_inside_it(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text(HEAD + "a.png,0.5,0.5,0.25,0.5\na.png,0.05,1,0.2,0.2\nb.png,0.5,0.5,1,1\n")
    boxes = read_boxes(path)
    assert boxes["a.png"][0] == Box(0.375, 0.25, 0.625, 0.75)
    assert boxes["a.png"][1] == pytest.approx(Box(0, 0.9, 0.15, 1))
    assert boxes["b.png"] == (Box(0, 0, 1, 1),)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a.png,0.5,0.5,0.25,wide", "line 2: expected four numbers"),
        ("a.png,120,80,30,20", r"line 2: expected shares of the image in \[0, 1\]"),
        ("a.png,0.5,0.5,0,0.1", "expected shares"),
        ("a.png,nan,0.5,0.1,0.1", "expected shares"),
    ],
)
def test_a_row_that_is_no_box_is_refused_with_its_line(tmp_path, row, told):
    (tmp_path / "boxes.csv").write_text(f"{HEAD}{row}\n")
    with pytest.raises(DataError, match=told):
        read_boxes(tmp_path / "boxes.csv")


def test_another_table_is_refused_by_its_columns(tmp_path):
    (tmp_path / "boxes.csv").write_text("path,x0,y0,x1,y1\na.png,1,2,3,4\n")
    with pytest.raises(DataError, match=r"absent: .*x_center"):
        read_boxes(tmp_path / "boxes.csv")
