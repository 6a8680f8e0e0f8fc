"""What is said before training."""

import re

import numpy as np
import pytest

from bert_tf2.data import checks, names

TONES, STARS = ["bad", "good"], ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("numbers", "classes", "said"),
    [
        ([0, 0, 1, 1], TONES, []),
        ([0, 1], TONES, []),
        ([1, 1, 1], TONES, ["All 3 labels are 'good'"]),
        ([0, 0, 1], TONES, [r"1 of 2 classes with one row to learn from: \['good'\]"]),
        (range(5), STARS, ["Each of 5 rows has a label of its own"]),
        ([*range(30)] * 2, [str(i) for i in range(30)], ["30 classes are named by numbers"]),
        ([*range(30)] * 2, [f"c{i}" for i in range(30)], []),
    ],
)
def test_what_is_said_before_training(numbers, classes, said):
    found = checks.worth_saying(np.array(list(numbers)), classes)
    assert len(found) == len(said)
    for text in said:
        assert re.search(text, found[0])


def test_names_found_in_a_file():
    assert names.names_of(["10", "9", "10", "1"]) == ["1", "9", "10"]
    assert names.names_of(["b", "10", "9"]) == ["10", "9", "b"]
    with pytest.raises(ValueError, match=r"50 different numbers, such as .* a score"):
        names.names_of([f"{i / 10:.3f}" for i in range(50)])
