"""`finetune --adapter`, what it writes, and `export --adapters`."""

import json

import pytest
import tensorflow as tf
from shell import fails, runs, tiny_checkpoint

import bert_tf2

ROWS = "text\tlabel\n" + "".join(
    f"{text}\t{label}\n" for text, label in [("coffee", "x"), ("a letter", "y"), ("stone", "x")] * 4
)


@pytest.mark.full
def test_an_adapter_is_trained_kept_and_served(tmp_path, reference, capsys):
    tiny_checkpoint(tmp_path / "uncased", reference)
    (tmp_path / "train.tsv").write_text(ROWS)
    train = ["finetune", f"--preset={tmp_path}/uncased", f"--train_file={tmp_path}/train.tsv"]
    train += ["--num_train_epochs=1", "--batch=6", "--adapter=lora", "--adapter_targets=query"]
    runs(*train, "--adapter_rank=2", f"--output_dir={tmp_path}/a", "--seed=1")
    assert "adapter lora: trains 98 of" in capsys.readouterr().out
    runs(*train, "--adapter_rank=3", f"--output_dir={tmp_path}/b", "--seed=2")
    said = json.loads((tmp_path / "a/adapter/adapter_config.json").read_text())
    assert said["r"] == 2 and said["base_model_name_or_path"].endswith("uncased")
    task = bert_tf2.TextClassifier.from_preset(tmp_path / "uncased", labels=["x", "y"])
    task.load_adapter(tmp_path / "a/adapter")
    model, both = f"--model={tmp_path}/a/model.keras", f"--export_dir={tmp_path}/both"
    runs("export", model, both, f"--adapters=a={tmp_path}/a/adapter,b={tmp_path}/b/adapter")
    served = tf.saved_model.load(tmp_path / "both/1").signatures["serving_default"]
    asked = tf.constant(["coffee"] * 2)
    found = served(text=asked, adapter=tf.constant(["a", "b"]))["logits"].numpy()
    (want,) = task.answer(["coffee"])
    assert abs(found[0] - want["logits"][0]).max() < 1e-5 < abs(found[1] - found[0]).max()


def test_flags_that_do_not_go_together(tmp_path, capsys):
    given = ["finetune", "--init_checkpoint=a", "--train_file=b", f"--output_dir={tmp_path}/c"]
    fails(capsys, 2, [*given, "--adapter_rank=2"], "--adapter_rank is for --adapter=lora")
    for name, layers in (("trainable_layers", 0), ("reinit_layers", 1)):
        asked = [*given, "--adapter=lora", f"--{name}={layers}"]
        fails(capsys, 2, asked, f"--{name} is for the encoder's own layers")
    more = ["--adapter=lora", "--adapter_size=2"]
    fails(capsys, 2, [*given, *more], "--adapter_size is for --adapter=houlsby or pfeiffer")
