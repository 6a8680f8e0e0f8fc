"""`bert_tf2 explain`: what speaks for an answer on the screen, and a page of attention."""

import oracle
import pytest
import shell


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "model.keras"
    oracle.tiny_classifier().save(path)
    return path


def test_prints_and_writes_a_page(model, tmp_path, capsys):
    page = tmp_path / "page.html"
    shell.runs("explain", f"--model={model}", "--target=rain", f"--output_file={page}", "the tea")
    said = capsys.readouterr().out
    assert said.startswith("rain: ") and "\ntea  " in said and "[CLS]" not in said
    text = page.read_text("utf-8")
    assert "What speaks for: rain" in text and 'id="maps"' in text and 'id="lines"' in text
    shell.fails(capsys, 1, ["explain", f"--model={model}", f"--output_file={page}", "a"], "exists")


def test_an_encoder_has_attention_alone(tmp_path, reference, capsys):
    checkpoint, page = shell.tiny_checkpoint(tmp_path / "tiny", reference), tmp_path / "page.html"
    how = ["explain", f"--preset={checkpoint}", "the tea", "rain"]
    shell.fails(capsys, 1, how, "encoder without a task")
    shell.runs(*how, f"--output_file={page}", "--heads=1")
    text = page.read_text("utf-8")
    assert '"heads": [1]' in text and "What speaks for" not in text


def test_refuses(model, capsys):
    how = ["explain", f"--model={model}"]
    shell.fails(capsys, 2, how, "give a text")
    shell.fails(capsys, 2, [*how, "--layers=one", "a"], "--layers must be numbers")
    shell.fails(capsys, 2, [*how, "--heads=1", "a"], "give --output_file")
    shell.fails(capsys, 1, [*how, "--target=fog", "a"], "one name of", "fog")
