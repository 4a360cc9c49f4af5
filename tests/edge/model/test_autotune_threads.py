"""`--threads`: a number is taken at its word; auto takes, of what the cores allow, what pays."""

import os

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.errors import UsageError
from bonefx_edge.model import interpreter as module
from bonefx_edge.model.interpreter import autotune_threads, open_interpreter
from bonefx_edge.model.model_file import ModelFile
from bonefx_edge.parallel import threads_to_try
from toy import film, toy_path

FLATBUFFER = ModelFile.read(toy_path("int8")).flatbuffer


@pytest.mark.parametrize(
    ("cores", "processes", "tried"),
    [
        (1, 1, (1,)),
        (2, 1, (1, 2)),
        (4, 1, (1, 2, 4)),
        (6, 1, (1, 2, 4)),
        (4, 2, (1, 2)),
        (2, 4, (1,)),
    ],
)
def test_auto_tries_powers_of_two_within_each_process_share_of_the_cores(
    monkeypatch, cores: int, processes: int, tried: tuple[int, ...]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert threads_to_try("auto", processes=processes) == tried


def test_a_number_is_taken_at_its_word_whatever_the_cores() -> None:
    assert threads_to_try("64", processes=8) == (64,)


@pytest.mark.parametrize("word", ["0", "-1", "", "1.5", "Auto", "many", "²", "1_0", "1000"])
def test_any_other_word_is_an_error_that_says_what_is_expected(word: str) -> None:
    with pytest.raises(UsageError, match=r"from 1 to 999, or auto, got "):
        threads_to_try(word, processes=1)


@pytest.mark.parametrize(
    ("took", "chosen"),
    [
        ({1: 10.0, 2: 6.0, 4: 4.0}, 4),
        ({1: 10.0, 2: 6.0, 4: 5.9}, 2),  # a core that saves 2 % is better left to others
        ({1: 10.0, 2: 9.5, 4: 8.9}, 4),
        ({1: 10.0, 2: 14.0, 4: 20.0}, 1),
    ],
)
def test_more_threads_are_taken_only_where_they_save_a_tenth(
    monkeypatch, took: dict[int, float], chosen: int
) -> None:
    monkeypatch.setattr(module, "time_inference", lambda interpreter: took[interpreter.threads])
    first, *others = took
    opened = open_interpreter(FLATBUFFER, threads=first)
    assert autotune_threads(opened, FLATBUFFER, threads=others).threads == chosen


def test_what_is_chosen_by_measuring_answers_as_one_thread_does() -> None:
    view = np.random.default_rng(5).integers(0, 256, (1, 150, 150, 1), dtype=np.uint8)
    first = open_interpreter(FLATBUFFER)
    chosen = autotune_threads(first, FLATBUFFER, threads=(2,))
    assert chosen.threads in {1, 2}
    assert np.array_equal(chosen.run(view)[0], first.run(view)[0])


def test_the_finding_names_the_threads_where_there_is_more_than_one(tmp_path) -> None:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), film(60))
    one, two = (Classifier.load(toy_path("int8"), threads=(n,)).classify(path) for n in (1, 2))
    assert two.runtime == f"{one.runtime}, 2 threads"
    assert two.p_fracture == one.p_fracture
