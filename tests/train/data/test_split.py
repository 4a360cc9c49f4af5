from collections import defaultdict
from pathlib import Path

from bonefx_train.data.sample import Label, Sample
from bonefx_train.data.split import SHARES, assign_splits
from hypothesis import given
from hypothesis import strategies as st

images = st.lists(st.tuples(st.booleans(), st.integers(0, 25)), min_size=1, max_size=120)


def make(rows):
    return [
        Sample(
            path=Path("/nowhere"),
            key=str(i),
            label=Label.FRACTURED if broken else Label.NOT_FRACTURED,
            group=str(group),
            split="",
            body_part="",
            hardware=False,
        )
        for i, (broken, group) in enumerate(rows)
    ]


@given(images, st.integers(0, 5))
def test_a_split_never_cuts_a_group_and_never_loses_a_image(rows, seed):
    divided = assign_splits(make(rows), shares=SHARES, seed=seed)
    assert [sample.key for sample in divided] == [str(i) for i in range(len(rows))]
    sides = defaultdict(set)
    for sample in divided:
        sides[sample.group].add(sample.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert set().union(*sides.values()) <= set(SHARES)


def test_both_classes_are_shared_out_in_proportion():
    """100 fractured and 500 others in groups of 1 to 4: each class 70/15/15 within a group."""
    rows = [(i < 100, i // 3 if i % 2 else 1000 + i // 4) for i in range(600)]
    divided = assign_splits(make(rows), shares=SHARES, seed=1)
    for label, total in ((Label.FRACTURED, 100), (Label.NOT_FRACTURED, 500)):
        for split, part in SHARES.items():
            images = sum(s.label is label and s.split == split for s in divided)
            assert abs(images - part * total) <= 4
