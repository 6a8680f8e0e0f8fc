"""The quickstart as a newcomer runs it: a real checkpoint, real training, a process that serves."""

import pytest

from bert_tf2.cli import flags
from bert_tf2.cli.quickstart import quickstart
from bert_tf2.cli.verbs import VERBS
from bert_tf2.data.examples import support_requests


@pytest.mark.full
def test_quickstart(minilm, tmp_path, capsys):
    argv = [f"--init_checkpoint={minilm}", f"--output_dir={tmp_path}/run"]
    found = quickstart(flags.parse("bert_tf2 quickstart", VERBS["quickstart"].flags, argv))
    assert found["accuracy"] > found["bag_of_words"] > 0.3
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
    assert "bert_tf2 evaluate" in printed
