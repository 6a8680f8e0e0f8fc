"""The STS benchmark's own files, and what is refused of them."""

import pytest

from bert_tf2.data.examples import Examples
from bert_tf2.data.sts import is_sts, read_sts

ROWS = (
    'main-captions\tMSRvid\t2012test\t0024\t2.500\tA "girl" waits.\tA girl sits.\n'
    "main-news\theadlines\t2015\t0009\t0\tRain\tTea\tits source\tanother\n"
)


def test_rows(put):
    path = put("sts-test.csv", ROWS)
    assert is_sts(path)
    assert read_sts(path) == Examples(
        ['A "girl" waits.', "Rain"], ["A girl sits.", "Tea"], [2.5, 0]
    )
    assert not is_sts(put("dev.csv", ROWS))
    for other in (
        "sentence1\tsentence2\tscore\n",
        "text,label\na,1\n",
        "a\tb\tc\td\te\tf\tg\n",
    ):
        assert not is_sts(put("sts-dev.tsv", other))


@pytest.mark.parametrize(
    ("content", "words"),
    [("a\tb\tc\td\t1\te\n", "line 1: expected seven"), (ROWS + ROWS.replace("2.5", "x"), "line 3")],
)
def test_what_is_wrong_is_named(put, content, words):
    with pytest.raises(ValueError, match=words):
        read_sts(put("sts-test.csv", content))
