"""The inputs of exported models, as a command line gives them."""

import pytest

from bert_tf2.cli.exported import asked_of
from bert_tf2.cli.flags import UsageError, parse
from bert_tf2.cli.verbs import VERBS


def asked(inputs, *argv):
    flags = parse("bert_tf2 predict", VERBS["predict"].flags, argv)
    return asked_of(flags, "models/qa", inputs)


def test_rows_come_in_the_tasks_order_beside_what_is_for_all_of_them():
    """A question stays before its context where rows choose an adapter, too."""
    for names in (("question", "context"), ("text", "text_pair"), ("text", "choices"), ("text",)):
        assert asked(reversed(names)) == (names, {}, {})
        found = asked([*reversed(names), "adapter"], "--adapter_name=a")
        assert found == (names, {}, {"adapter": "a"})
        assert asked([*names, "adapter"], "--input_file=a.csv") == (
            (*names, "adapter_name"),
            {},
            {},
        )
    found = asked(["candidate_labels", "text"], "--candidate_labels=tea,rain")
    assert found == (("text",), {"candidate_labels": ["tea", "rain"]}, {})


@pytest.mark.parametrize(
    "inputs, argv, words",
    [
        (["text", "candidate_labels"], (), "--candidate_labels must be given"),
        (["text", "candidate_labels"], ("--candidate_labels=a,a",), "must be different.*a,a"),
        (["text", "adapter"], ("tea",), "models/qa has several adapters"),
        (["text", "adapter"], ("--input_file=a.txt",), "a column adapter_name of --input_file"),
        (["text"], ("--adapter_name=a",), "which models/qa is not"),
    ],
)
def test_what_flags_lack_or_have_too_much(inputs, argv, words):
    with pytest.raises(UsageError, match=words):
        asked(inputs, *argv)
