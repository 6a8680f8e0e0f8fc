"""`bert_tf2 pretrain` and `average`, as a user runs them, on tiny sizes."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_masked_lm
from shell import fails, runs, tiny_checkpoint

import bert_tf2
from bert_tf2 import weights
from bert_tf2.cli.flags import parse
from bert_tf2.cli.pretrain import complete
from bert_tf2.cli.verbs import VERBS

STEPS = 4


@pytest.fixture(scope="module")
def place(tmp_path_factory, reference):
    folder = tmp_path_factory.mktemp("pretrain")
    tiny_checkpoint(folder / "uncased", reference)
    shutil.copy(reference / "own_fixture" / "text.txt", folder / "text.txt")
    return folder


def command(place, output, *more):
    """A command line from a config and a vocabulary, in few and small steps."""
    files = place / "uncased"
    return [
        *("pretrain", f"--bert_config_file={files / 'bert_config.json'}"),
        *(f"--vocab_file={files / 'vocab.txt'}", f"--input_file={place / 'text.txt'}"),
        *(f"--output_dir={place / output}", f"--num_train_steps={STEPS}"),
        *("--train_batch_size=4", "--max_seq_length=16", *more),
    ]


def weights_in(file):
    """Of a .keras file, our name -> array."""
    model = keras.saving.load_model(file)
    return {name: np.array(v.value) for name, v in model.named_variables().items()}


@pytest.mark.full
def test_from_nothing_to_googles_checkpoint(place, capsys):
    """With the slots and the count of steps that its own scripts go on from."""
    argv = command(place, "run", "--recipe=bert", "--to=google", "--save_optimizer")
    runs(*argv, f"--dev_file={place / 'text.txt'}")
    said = capsys.readouterr().out
    assert "4 documents" in said and "4 steps of 4 rows of 16 tokens" in said
    metrics = json.loads((place / "run" / "metrics.json").read_text("utf-8"))
    assert metrics["dev"].keys() >= {"loss", "mlm_perplexity", "nsp_accuracy"}
    assert metrics["stages"][0]["steps"] == STEPS
    model = keras.saving.load_model(place / "run" / "model.keras")
    reader = tf.train.load_checkpoint(str(place / "run" / "google" / "bert_model.ckpt"))
    assert reader.get_tensor("global_step") == STEPS
    kernel = "cls/seq_relationship/output_weights"
    assert reader.get_tensor(kernel).shape == (2, 16)
    order = [v.path for v in model.optimizer._trainable_variables].index("nsp/kernel")
    moment = np.array(model.optimizer._momentums[order].value)
    np.testing.assert_array_equal(reader.get_tensor(f"{kernel}/adam_m"), moment.T)
    assert (reader.get_tensor("bert/pooler/dense/kernel/adam_v") > 0).any()
    again = bert_tf2.MaskedLM.from_preset(place / "run" / "google", second_task="nsp")
    assert {why for _, why in again.load_report.skipped} == {"optimizer slot", "step counter"}
    for name, variable in model.named_variables().items():
        np.testing.assert_array_equal(again.named_variables()[name], variable, err_msg=name)
    fails(capsys, 1, argv, "exists", "--overwrite")


@pytest.mark.full
@pytest.mark.parametrize("recipe", ["albert", "electra", "cramming"])
def test_recipes(place, recipe):
    runs(*command(place, recipe, f"--recipe={recipe}", "--num_train_steps=2"))
    model = keras.saving.load_model(place / recipe / "model.keras")
    recipes = {
        "albert": ("MaskedLM", "lamb", 0.0, 0.15),
        "electra": ("ReplacedWords", "adamw", 0.1, 0.15),
        "cramming": ("MaskedLM", "adamw", 0.0, 0.25),
    }
    said = model.recipe["optimizer"], model.encoder.config.hidden_dropout_prob, model.rate
    assert (type(model).__name__, *said) == recipes[recipe]
    if recipe == "cramming":
        assert model.recipe["clip_norm"] == 0.5 and model.recipe["schedule"] == "polynomial"


@pytest.mark.full
def test_stages_go_on_after_a_kill(place, capsys):
    """Each stage has rows of its own length; what was done already is not done again."""
    more = ("--max_seq_length=8,16", "--learning_rate=2e-3,1e-3", "--num_train_steps=4,6")
    runs(*command(place, "stages", *more, "--save_checkpoints_steps=2"))
    capsys.readouterr()
    run = place / "stages"
    want, told = weights_in(run / "model.keras"), json.loads((run / "metrics.json").read_text())
    assert [stage["max_seq_length"] for stage in told["stages"]] == [8, 16]
    assert [stage["steps"] for stage in told["stages"]] == [4, 6]
    (run / "model.keras").unlink()
    shutil.rmtree(max((run / "stage_2" / "checkpoints").glob("epoch-*")))
    runs("pretrain", f"--output_dir={run}", "--resume")
    assert "6 steps of 4 rows of 16 tokens" in capsys.readouterr().out
    for name, array in weights_in(run / "model.keras").items():
        np.testing.assert_array_equal(array, want[name], err_msg=name)


@pytest.mark.full
def test_flags_of_ones_own_go_on_beside_a_recipe(place, capsys):
    """With the whole command line from the first start on, too; other flags are another run."""
    own = ("--recipe=cramming", "--dropout=0.2", "--masked_lm_prob=0.4", "--learning_rate=2e-4")
    argv = command(place, "own", *own, "--save_checkpoints_steps=2", "--resume")
    runs(*argv)
    want = keras.saving.load_model(place / "own" / "model.keras")
    for again in (["pretrain", f"--output_dir={place / 'own'}", "--resume"], argv):
        shutil.rmtree(max((place / "own" / "checkpoints").glob("epoch-*")))
        (place / "own" / "model.keras").unlink()
        runs(*again)
        found = keras.saving.load_model(place / "own" / "model.keras")
        assert (found.rate, found.encoder.config.hidden_dropout_prob) == (0.4, 0.2)
        for name, variable in found.named_variables().items():
            np.testing.assert_array_equal(variable, want.named_variables()[name], err_msg=name)
    capsys.readouterr()
    resume = ["pretrain", f"--output_dir={place / 'own'}", "--resume"]
    for other in ("--dropout=0.3", "--masked_lm_prob=0.2", "--do_whole_word_mask"):
        fails(capsys, 1, [*resume, other], "is of another run")


def test_a_run_goes_on_with_its_own_documents(place, capsys, tmp_path):
    """A finished one says that it is; other documents, under whatever name, are another run."""
    for name, words in {"a": "tea and rain", "b": "rain and stone"}.items():
        (tmp_path / f"{name}.txt").write_text(f"{words}\n{words}\n\n" * 9)
    of = f"--input_file={tmp_path / 'a.txt'}"
    argv = command(place, "docs", of, "--num_train_steps=2", "--save_checkpoints_steps=1")
    runs(*argv)
    assert "trained in" in capsys.readouterr().out
    (tmp_path / "a.txt").rename(tmp_path / "c.txt")
    resume = ["pretrain", f"--output_dir={place / 'docs'}", "--resume"]
    runs(*resume, f"--input_file={tmp_path / 'c.txt'}")
    said = capsys.readouterr().out
    assert "the run was finished already: nothing was trained" in said and "trained in" not in said
    other = [*resume, f"--input_file={tmp_path / 'b.txt'}", "--masked_lm_prob=0.4"]
    said = fails(capsys, 1, other, "is of another run", "sha256_of_data", "0.15 there, 0.4 here")
    assert "whole_word" not in said


def test_what_flags_mean_after_a_recipe_and_a_run_that_goes_on(tmp_path):
    """The run's own value, unless the command line says another or another recipe."""
    verb = VERBS["pretrain"]
    said = {"recipe": "cramming", "dropout": 0.2, "masked_lm_prob": 0.25, "clip_norm": 0.5}
    told = {"settings": said, "started": ["2020-01-01"]}
    (tmp_path / "run.json").write_text(json.dumps(told), "utf-8")
    resume = [f"--output_dir={tmp_path}", "--resume"]
    for argv, dropout, rate in (
        (["--output_dir=x", "--recipe=cramming"], 0.0, 0.25),
        (["--output_dir=x", "--recipe=cramming", "--dropout=0.4"], 0.4, 0.25),
        (resume, 0.2, 0.25),
        ([*resume, "--recipe=cramming"], 0.2, 0.25),
        ([*resume, "--masked_lm_prob=0.5"], 0.2, 0.5),
        ([*resume, "--recipe=albert"], 0.0, 0.25),
    ):
        flags = parse("pretrain", verb.flags, argv, verb.required)
        complete(flags)
        assert (flags.dropout, flags.masked_lm_prob) == (dropout, rate), argv


THEIRS = {
    "token_ids": "input_ids",
    "segment_ids": "segment_ids",
    "padding_mask": "input_mask",
    "masked_positions": "masked_lm_positions",
    "masked_ids": "masked_lm_ids",
    "masked_weights": "masked_lm_weights",
    "next_sentence_labels": "next_sentence_labels",
}


def write_records(path):
    """TFRecords as create_pretraining_data.py writes them."""
    inputs, targets = tiny_masked_lm.records()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in range(6):
            example = tf.train.Example()
            for ours, theirs in THEIRS.items():
                values = np.ravel({**inputs, **targets}[ours][row])
                feature = example.features.feature[theirs]
                kind = feature.float_list if values.dtype.kind == "f" else feature.int64_list
                kind.value.extend(values.tolist())
            writer.write(example.SerializeToString())


@pytest.mark.full
def test_further_pretraining_of_a_checkpoint_on_records(place):
    records = place / "a.tfrecord"
    write_records(records)
    runs(
        *("pretrain", f"--preset={place / 'uncased'}", f"--input_file={records}"),
        *("--objective=nsp", "--num_train_epochs=1", f"--output_dir={place / 'records'}"),
        *(f"--dev_file={records}", "--dropout=0", "--batch=4", "--to=huggingface,bert_tf2"),
    )
    opened = bert_tf2.Encoder.from_preset(place / "records" / "huggingface")
    assert opened.config.hidden_dropout_prob == 0
    (place / "records" / "bert_tf2" / "bert_tf2.json").read_text("utf-8")


def test_what_cannot_be_done_is_said(place, capsys, tmp_path):
    (tmp_path / "blank.txt").write_text("\n \n")
    lengths = "--max_seq_length=8,16"
    pair = f"--input_file={place / 'text.txt'},a.tfrecord"
    for status, argv, word in (
        (1, command(place, "x", f"--input_file={tmp_path / 'blank.txt'}"), "blank.txt"),
        (2, command(place, "x", pair), "not both"),
        (2, command(place, "x", lengths, "--input_file=a.tfrecord"), "2 stages"),
        (2, command(place, "x", "--num_train_steps=1,2"), "one number, or 1"),
        (2, command(place, "x", "--max_seq_length=long"), "takes numbers"),
        (2, command(place, "x", "--max_seq_length=0"), "numbers from 1"),
        (2, command(place, "x", "--vocab_file="), "give --init_checkpoint"),
        (2, command(place, "x", "--to=google,hugginface"), "Received: hugginface"),
        (2, command(place, "x", "--save_optimizer"), "goes with --to=google"),
        (2, command(place, "x", "--num_train_epochs=2"), "or --num_train_epochs"),
        (1, command(place, "x", "--to=keras_hub", "--objective=nsp"), "Without a place"),
        (1, command(place, "x", "--max_seq_length=99"), "at most 40"),
    ):
        fails(capsys, status, argv, word)


def test_what_records_are_not_asked_for(place, capsys, tmp_path):
    """Flags of texts, and lengths that their rows do not have; all before anything is trained."""
    write_records(tmp_path / "a.tfrecord")
    given = f"--input_file={tmp_path / 'a.tfrecord'}"
    two = f"--input_file={tmp_path / 'a.tfrecord'},{tmp_path / 'a.tfrecord'}"
    length = tiny_masked_lm.records()[0]["token_ids"].shape[1]
    for more, word in (
        ((given, "--masked_lm_prob=0.3"), "--masked_lm_prob is for texts"),
        ((given, "--do_whole_word_mask"), "--do_whole_word_mask is for texts"),
        ((given, "--max_predictions_per_seq=3"), "--max_predictions_per_seq is for texts"),
        ((given, f"--max_seq_length={length + 1}"), f"a.tfrecord: {length}"),
        ((two, f"--max_seq_length={length},32"), "--max_seq_length=32 must be the length"),
    ):
        fails(capsys, 2, command(place, "x", *more), word)


def test_the_mean_of_checkpoints(place, capsys, tmp_path, reference):
    first = place / "uncased"
    config = weights.open_checkpoint(first)
    contents, _ = weights.contents_of(config)
    other = {name: array + 1 for name, array in contents.arrays.items()}
    weights.save(tmp_path / "b", bert_tf2.weights.Contents(contents.config, other), "google")
    runs("average", first, tmp_path / "b", f"--output_dir={tmp_path / 'mean'}", "--to=google")
    found, _ = weights.contents_of(weights.open_checkpoint(tmp_path / "mean"))
    for name, array in found.arrays.items():
        np.testing.assert_allclose(array, contents.arrays[name] + 0.5, rtol=1e-6, err_msg=name)
    assert (tmp_path / "mean" / "vocab.txt").exists()
    tiny_checkpoint(tmp_path / "deeper", reference, num_hidden_layers=2)
    argv = ["average", first, f"--output_dir={tmp_path / 'x'}"]
    fails(capsys, 1, [*argv, tmp_path / "deeper"], "same model", "num_hidden_layers")
    fails(capsys, 1, argv, "two checkpoints")
