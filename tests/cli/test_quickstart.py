"""The quickstart as a newcomer runs it: a real checkpoint, real training, a process that serves."""

import shlex

import pytest

from bert_tf2.cli import flags
from bert_tf2.cli.quickstart import quickstart
from bert_tf2.cli.verbs import VERBS
from bert_tf2.data.examples import support_requests


@pytest.mark.full
def test_quickstart(minilm, tmp_path, capsys):
    argv = [f"--init_checkpoint={minilm}", f"--output_dir={tmp_path}/run"]
    found = quickstart(flags.parse("bert_tf2 quickstart", VERBS["quickstart"].flags, argv))
    assert found["accuracy"] > 0.82 > found["bag_of_words"] > 0.3
    classes = set(support_requests("train").labels)
    assert len(found["answers"]) == 3
    for line in found["answers"]:
        label, probability, *_ = line.split()
        assert label in classes
        assert 1 / len(classes) < float(probability) <= 1
    assert (tmp_path / "run" / "model.keras").is_file()
    assert (tmp_path / "run" / "serving" / "1" / "saved_model.pb").is_file()
    printed = capsys.readouterr().out
    assert f"{found['accuracy']:.3f}" in printed
    lines = printed.replace("\\\n", " ").splitlines()
    told = [shlex.split(line)[1:] for line in lines if line.startswith("  bert_tf2 ")]
    assert {verb for verb, *_ in told} == {"predict", "evaluate", "finetune", "serve", "request"}
    for verb, *words in told:  # what is said to be typed next can be typed
        flags.parse("bert_tf2", VERBS[verb].flags, words)
