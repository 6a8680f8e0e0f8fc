"""Texts that an exported model cuts are said in the shell, once."""

import oracle

import bert_tf2
from bert_tf2 import cli


def test_what_a_saved_model_cuts_is_said_once(tmp_path, caplog):
    task = oracle.tiny_task(bert_tf2.TextClassifier, labels=["a", "b"])
    folder = bert_tf2.export_saved_model(task, tmp_path / "1")
    fits, cut = "tea " * 18, "tea " * 19
    assert cli.main(["predict", f"--saved_model={folder}", fits, "tea"]) == 0
    assert "are cut" not in caplog.text
    assert cli.main(["predict", f"--saved_model={folder}", fits, cut, cut]) == 0
    assert caplog.text.count("are longer than `max_length`, 20 tokens, and are cut.") == 1
    assert "2 of 3 texts" in caplog.text
