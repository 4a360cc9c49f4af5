import pytest
from bonefx_train.data.sample import Label, describe_mapping, label_from_name
from bonefx_train.errors import DataError

FRACTURED = ["broken", "BROKEN", "Fractured", "fracture", "Positive", "injured"]
NOT_FRACTURED = [
    "STABLE",
    "stable",
    "not broken",
    "not_broken",
    "not fractured",
    "Not Fractured",
    "not_fractured",
    "not-fractured",
    "non_fractured",
    "Non Fracture",
    "no_fracture",
    "normal",
    "healthy",
    "negative",
    "  unfractured ",
    "NotFractured",
]


@pytest.mark.parametrize("name", FRACTURED)
def test_names_of_broken_bones_are_class_0(name):
    assert label_from_name(name) is Label.FRACTURED
    assert label_from_name(name).class_index == 0


@pytest.mark.parametrize("name", NOT_FRACTURED)
def test_names_of_whole_bones_are_class_1(name):
    assert label_from_name(name) is Label.NOT_FRACTURED
    assert label_from_name(name).class_index == 1


@pytest.mark.parametrize("name", ["0", "1", "abnormal", "yes"])
def test_a_name_that_says_opposite_things_in_different_sets_is_refused(name):
    with pytest.raises(DataError, match="ambiguous"):
        label_from_name(name)


@pytest.mark.parametrize("name", ["arm", "", "frctured", "train"])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(DataError, match=r"broken.*stable.*rename it"):
        label_from_name(name)


def test_alphabetical_order_decides_nothing():
    """healthy sorts before injured, fractured before normal."""
    assert describe_mapping(["injured", "healthy"]) == (
        "  'healthy' -> 1 not_fractured\n  'injured' -> 0 fractured"
    )
    assert describe_mapping(["normal", "fractured"]) == (
        "  'fractured' -> 0 fractured\n  'normal' -> 1 not_fractured"
    )
