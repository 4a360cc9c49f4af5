from pathlib import Path

import pytest
from bonefx_train.data.filename_groups import base_name, find_filename_groups, is_marked
from bonefx_train.data.sample import Label, Sample
from hypothesis import given
from hypothesis import strategies as st


def sample(key, label=Label.FRACTURED):
    return Sample(Path("/nowhere") / key, key, label, key, "", "", hardware=False)


def families(*keys):
    return [
        {image.key for image in family}
        for family in find_filename_groups([sample(k) for k in keys])
    ]


@pytest.mark.parametrize(
    ("stem", "base"),
    [
        ("82-rotated2-rotated3", "82"),
        ("10-rotated1-rotated1-rotated1 (1)", "10"),
        ("wrist_aug_3", "wrist"),
        ("wrist_aug3", "wrist"),
        ("wrist-aug", "wrist"),
        ("wrist_aug_0_5", "wrist"),
        ("wrist_aug_0.5", "wrist"),
        ("wrist_aug12_flip", "wrist"),
        ("wrist_aug_1-aug_2", "wrist"),
        ("wrist_aug3 (1)", "wrist"),
        ("wrist_augmented_2019_003", "wrist"),
        ("hand_hflip", "hand"),
        ("IMG7 flipped", "IMG7"),
        ("x_mirrored_2", "x"),
        ("7_jpg.rf.0123456789abcdef0123", "7"),
        ("image-rotated90", "image"),
        ("x_rotation-15.5", "x"),
        ("fracatlas_IMG0000019", "fracatlas_IMG0000019"),
        ("august_3", "august_3"),
        ("study_aug_2019_003", "study_aug_2019_003"),
        ("study_aug_2019", "study_aug_2019"),
        ("study_aug2019", "study_aug2019"),
        ("patient_17-aug-2021_1", "patient_17-aug-2021_1"),
        ("patient_aug_17_2021", "patient_aug_17_2021"),
        ("scan_aug_left_2", "scan_aug_left_2"),
        ("oai_9000099R_KL2", "oai_9000099R_KL2"),
        ("patient-augusta", "patient-augusta"),
        ("-rotated1", "-rotated1"),
    ],
)
def test_the_name_before_a_mark_is_the_image_s(stem, base):
    assert base_name(stem) == base
    assert is_marked(stem) == (base != stem)


@given(st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True), st.lists(st.integers(1, 9), max_size=4))
def test_a_chain_of_turns_leads_back_to_the_image(name, turns):
    assert base_name(name + "".join(f"-rotated{turn}" for turn in turns)) == base_name(name)


def test_images_that_share_a_base_are_a_family_if_one_is_marked():
    assert families("a/82.jpg", "b/82-rotated1.jpg", "a/83.jpg") == [
        {"a/82.jpg", "b/82-rotated1.jpg"}
    ]
    assert families("train/1.jpg", "test/1.jpg") == []
    assert families("a/1-rotated1.jpg", "a/1-rotated2.jpg") == [
        {"a/1-rotated1.jpg", "a/1-rotated2.jpg"}
    ]


def test_a_number_in_brackets_is_a_copy_only_beside_the_name_without_it():
    assert families("image (1).jpg", "image (2).jpg") == []
    assert families("image.jpg", "image (1).jpg", "image - Copy.jpg") == [
        {"image.jpg", "image (1).jpg", "image - Copy.jpg"}
    ]


def test_numbering_restarts_in_each_class():
    images = [sample("broken/1.jpg"), sample("stable/1-rotated1.jpg", Label.NOT_FRACTURED)]
    assert find_filename_groups(images) == []
