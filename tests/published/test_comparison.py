"""`bert_tf2 verify` and its table, on stand-ins: small random models with the real vocabularies."""

import dataclasses
import json
import subprocess
from fnmatch import fnmatchcase

import numpy as np
import oracle
import peers
import pytest
import saved
from safetensors.numpy import load_file, save_file
from scipy.stats import pearsonr, spearmanr

from bert_tf2 import WordPieceTokenizer, cli, weights
from bert_tf2.published import comparison as module
from bert_tf2.published.comparison import OUTPUTS, Row, compare, published
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import registry, write_config
from bert_tf2.weights.download import sha256_of

TABLE = json.loads(module.TABLE.read_text("utf-8"))
OF_IDS = [row for row in TABLE["rows"] if "token_ids" in row]
NAMES = list(dict.fromkeys(row["models"][0] for row in OF_IDS))
HEADS = ("mlm", "pre_classifier", "classifier")


def write(folder, config, arrays):
    folder.mkdir(parents=True)
    stored = weights.to_format(arrays, config, "huggingface")
    save_file(
        {name: np.ascontiguousarray(x) for name, x in stored.items()}, folder / "w.safetensors"
    )
    (folder / "config.json").write_text(json.dumps(write_config(config, "huggingface")))
    return weights.open_checkpoint(folder)


def stand_in(name, **values):
    """A published model's config, but small, and random arrays for it and its heads."""
    small = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40}
    small |= {"num_hidden_layers": 2}
    if VARIANTS[name].embedding_size:
        small["embedding_size"] = 10
    config = dataclasses.replace(VARIANTS[name], **small | values)
    # Only one kind of classifier has a name for a dense layer of its own.
    heads = HEADS if config.classifier_act else ("mlm", "classifier")
    known = weights.names.variables(config, "huggingface")
    shapes = weights.expected_shapes(config, heads, 3)
    return config, oracle.random_weights({n: s for n, s in shapes.items() if n in known})


def answers(row, config, arrays):
    """What the row's output is, in NumPy."""
    config = dataclasses.replace(config, **row.config)
    ids = np.array(row.token_ids)
    mask = np.ones_like(ids) if row.padding_mask is None else np.array(row.padding_mask)
    inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": mask}
    if row.output == "class_logits":
        return oracle.classifier_logits(config, arrays, inputs)
    found = oracle.forward(config, arrays, inputs)
    found["sequence_output"] = found["layer_outputs"][-1]
    if row.output != "word_logits":
        return found[row.output]
    x = found["sequence_output"] @ arrays["mlm/transform/kernel"] + arrays["mlm/transform/bias"]
    x = oracle.ACTIVATIONS[config.hidden_act](x)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + config.layer_norm_eps)
    x = x * arrays["mlm/norm/gamma"] + arrays["mlm/norm/beta"]
    return x @ arrays["embeddings/token"].T + arrays["mlm/bias"]


def replaced(row, values):
    """The row with other numbers at its place, and a tolerance for float32 noise."""
    if row.at:
        values = values[tuple(slice(*bounds) for bounds in row.at)]
    else:
        values = values.ravel()[: len(row.expected)]
    assert np.shape(values) == np.shape(row.expected)
    return dataclasses.replace(row, expected=values.tolist(), atol=1e-5, rtol=0.0)


# === The rows ===


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_ids_agrees_with_numpy_and_not_with_other_weights(name, tmp_path):
    config, arrays = stand_in(name)
    rows = [row for row in published(name)[0] if row.token_ids]
    checkpoint = write(tmp_path / "a", config, arrays)
    assert {result.word for result in compare(checkpoint, rows)} == {"DIFFERS"}  # it is random
    own = [replaced(row, answers(row, config, arrays)) for row in rows]
    assert [result.word for result in compare(checkpoint, own)] == ["ok"] * len(rows)
    last = f"{config.block_names()[-1]}/ffn/norm/beta"
    changed = write(tmp_path / "b", config, arrays | {last: arrays[last] + 1e-3})
    assert [result.word for result in compare(changed, own)] == ["DIFFERS"] * len(rows)


def test_a_row_says_with_which_activation_it_was_computed(tmp_path):
    (row,) = (row for row in published("uncased_L-12_H-768_A-12")[0] if row.token_ids)
    assert row.config == {"hidden_act": "gelu_erf"}
    config, arrays = stand_in("uncased_L-12_H-768_A-12")
    own = replaced(row, answers(row, config, arrays))
    checkpoint = write(tmp_path / "a", config, arrays)
    assert checkpoint.config.hidden_act == "gelu_tanh"
    results = compare(checkpoint, [own, dataclasses.replace(own, config={})])
    assert [result.word for result in results] == ["ok", "DIFFERS"]


def test_rows_of_texts(tmp_path, reference):
    """Pieces, similarities and fillings, through the checkpoint's own vocabulary."""
    lines = (reference / "own_fixture" / "vocab_uncased.txt").read_text("utf-8")
    words = lines.splitlines()
    config, arrays = stand_in("all-MiniLM-L6-v2", vocab_size=len(words))
    checkpoint = write(tmp_path / "a", config, arrays)
    (tmp_path / "a" / "vocab.txt").write_text(lines, "utf-8")
    checkpoint = weights.open_checkpoint(tmp_path / "a")
    texts = ["coffee letter", "stone"]
    tokenizer = WordPieceTokenizer(tmp_path / "a" / "vocab.txt")
    ids = tokenizer(texts).to_list()
    ends = [[tokenizer.cls_token_id, *row, tokenizer.sep_token_id] for row in ids]
    means = []
    for row in ends:
        states = answers(Row([], "", "sequence_output", [], "", [row]), config, arrays)
        means.append(states[0].mean(0) / np.linalg.norm(states[0].mean(0)))
    masked = [ends[0][0], ends[0][1], tokenizer.mask_token_id, ends[0][-1]]
    logits = answers(Row([], "", "word_logits", [], "", [masked]), config, arrays)[0, 2]
    best = [words[i] for i in np.argsort(-logits)[:3]]
    rows = [
        Row([], "", "pieces", ids, "", texts=texts),
        Row([], "", "similarities", np.dot(means, np.transpose(means)).tolist(), "", texts=texts),
        Row([], "", "fillings", [best], "", texts=["coffee [MASK]"]),
    ]
    rows[1] = dataclasses.replace(rows[1], atol=1e-5)
    assert [result.word for result in compare(checkpoint, rows)] == ["ok"] * 3
    wrong = [
        dataclasses.replace(rows[0], expected=[ids[0][::-1], ids[1]]),
        dataclasses.replace(rows[1], expected=np.eye(2).tolist()),
        dataclasses.replace(rows[2], expected=[best[::-1]]),
    ]
    results = compare(checkpoint, wrong)
    assert [result.word for result in results] == ["DIFFERS"] * 3
    assert (results[0].difference, results[0].allowed) == (1, 0)


def test_rows_of_data(tmp_path, reference):
    """Both correlations on either form of STS-B's files, by way of `similarities`."""
    lines = (reference / "own_fixture" / "vocab_uncased.txt").read_text("utf-8")
    config, arrays = stand_in("all-MiniLM-L6-v2", vocab_size=len(lines.splitlines()))
    write(tmp_path / "a", config, arrays)
    (tmp_path / "a" / "vocab.txt").write_text(lines, "utf-8")
    checkpoint = weights.open_checkpoint(tmp_path / "a")
    texts, scores = ["coffee letter", "stone", "late", "the letter was late"], [4.0, 0.5, 2.25]
    similar = Row([], "", "similarities", [], "", texts=texts)
    similar = OUTPUTS["similarities"](module.Models(checkpoint), similar)[0, 1:]
    want = [spearmanr(scores, similar)[0], pearsonr(scores, similar)[0]]
    rows = list(zip(texts[1:], scores, strict=True))
    table = "".join(f"{texts[0]}\t{text}\t{score}\n" for text, score in rows)
    (tmp_path / "dev.tsv").write_text("sentence1\tsentence2\tscore\n" + table)
    own = "".join(f"g\tf\t2012\t1\t{score}\t{texts[0]}\t{text}\n" for text, score in rows)
    (tmp_path / "sts-test.csv").write_text(own)
    row = Row([], "", "sts", want, "", data=["nowhere.tsv", "dev.tsv"], atol=1e-5)
    other = dataclasses.replace(row, data=["sts-test.csv"])
    results = compare(checkpoint, [row, other], tmp_path)
    assert [result.word for result in results] == ["ok"] * 2
    (absent,) = compare(checkpoint, [row])
    assert absent.not_run == "give the folder of nowhere.tsv or dev.tsv, --data_dir=…"
    wrong = dataclasses.replace(row, expected=[want[0], want[1] - 1e-3])
    assert compare(checkpoint, [wrong], tmp_path)[0].word == "DIFFERS"


def test_what_a_checkpoint_lacks_is_said(tmp_path):
    config, arrays = stand_in("electra_small")
    bare = {name: x for name, x in arrays.items() if weights.names.head_of(name) is None}
    checkpoint = write(tmp_path / "a", config, bare)
    ids = {"token_ids": [[101, 102]], "atol": 1.0, "at": [[0, 1], [0, 1]]}
    rows = [
        Row([], "", "pooled_output", [[0.0]], "", **ids),
        Row([], "", "class_logits", [[0.0, 0.0]], "", **ids),
        Row([], "", "pieces", [[1]], "", texts=["a"]),
    ]
    results = compare(checkpoint, rows)
    assert [result.word for result in results] == ["not run"] * 3
    assert "no pooled_output" in results[0].not_run
    assert "classifier/kernel" in results[1].not_run
    assert "need a vocabulary" in results[2].not_run


def test_numbers_that_are_none_differ(tmp_path):
    config, arrays = stand_in("electra_small")
    arrays["embeddings/norm/beta"][3] = np.nan
    checkpoint = write(tmp_path / "a", config, arrays)
    row = Row([], "", "sequence_output", [[[0.0]]], "", token_ids=[[5]], at=[[0, 1]] * 3, atol=9.0)
    (result,) = compare(checkpoint, [row])
    assert result.word == "DIFFERS"
    outside = dataclasses.replace(row, at=[[0, 1], [0, 1], [30, 31]])
    with pytest.raises(ValueError, match=r"expected values of shape \(1, 1, 1\), computed"):
        compare(checkpoint, [outside])


# === The table ===


def test_the_table_fits_the_published_models():
    names = [entry.name for entry in registry.entries()]
    for record in TABLE["rows"]:
        row = Row(**record)
        chosen = [n for n in names if any(fnmatchcase(n, pattern) for pattern in row.models)]
        assert all(any(fnmatchcase(n, pattern) for n in names) for pattern in row.models)
        assert row.source and row.of and row.output in OUTPUTS
        assert sum(of is not None for of in (row.token_ids, row.texts, row.data)) == 1
        exact = row.output in ("pieces", "fillings")
        assert (row.atol == 0) == exact
        if exact:
            assert len(row.expected) == len(row.texts)
        for name in chosen if row.token_ids else ():
            config = VARIANTS[name]
            assert 0 <= np.min(row.token_ids) <= np.max(row.token_ids) < config.vocab_size
            assert np.shape(row.token_ids)[1] <= config.max_length
            assert row.padding_mask is None or np.shape(row.padding_mask) == np.shape(row.token_ids)
            assert row.output != "pooled_output" or config.pooler
    for record in TABLE["left_out"]:
        assert set(record) == {"models", "of", "why"}
        assert all(any(fnmatchcase(n, pattern) for n in names) for pattern in record["models"])


def test_rows_are_chosen_by_name():
    rows, left_out = published("electra_small")
    assert [row.output for row in rows] == ["sequence_output", "sequence_output", "pieces"]
    assert "pooled_output" in left_out[0]["of"]
    assert published("albert_base_zh") == ([], [])
    assert [row.output for row in published("uncased_L-6_H-128_A-2")[0]] == ["pieces", "pieces"]


# === The verb ===


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A folder like that of BERT-Tiny, of its size, and a table of one row that holds for it."""
    name = "uncased_L-2_H-128_A-2"
    config = VARIANTS[name]
    arrays = oracle.random_weights(weights.expected_shapes(config))
    saved.google(tmp_path / name, config, arrays)
    row = dataclasses.replace(published(name)[0][0], models=[name])
    row = replaced(row, answers(row, config, arrays))
    left_out = [{"models": [name], "of": "a measure", "why": "it has steps of its own"}]
    content = {"rows": [dataclasses.asdict(row)], "left_out": left_out}
    (tmp_path / "table.json").write_text(json.dumps(content))
    monkeypatch.setattr(module, "TABLE", tmp_path / "table.json")
    return tmp_path / name


def said(capsys, status, *argv):
    assert cli.main(["verify", *map(str, argv)]) == status
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return printed.out + printed.err


def test_a_folder_that_agrees(tiny, capsys):
    for given in (tiny, tiny / "bert_model.ckpt"):
        printed = said(capsys, 0, given)
        assert "sequence_output" in printed and "  ok  " in printed
        assert "left out: a measure: it has steps of its own" in printed
        assert "keras_hub/src/models/bert/bert_backbone_test.py" in printed


def test_a_name_that_is_there(tiny, capsys, monkeypatch):
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tiny.parent))
    assert "  ok  " in said(capsys, 0, "bert_tiny_en_uncased")


def test_a_folder_that_does_not(tiny, capsys, monkeypatch):
    monkeypatch.undo()  # the table of the project
    printed = said(capsys, 1, tiny)
    assert "DIFFERS" in printed and "not run: texts need a vocabulary" in printed
    assert "2 of 4 rows differ" in printed and str(tiny) in printed


def test_a_folder_of_another_name(tiny, capsys):
    other = tiny.rename(tiny.with_name("mine"))
    assert "say which checkpoint it is, --as=NAME" in said(capsys, 1, other)
    assert "  ok  " in said(capsys, 0, other, "--as=uncased_L-2_H-128_A-2")
    printed = said(capsys, 1, other, "--as=uncased_L-2_H-512_A-8")
    assert "No numbers are published for uncased_L-2_H-512_A-8" in printed
    printed = said(capsys, 1, other, "--as=uncased_L-12_H-768_A-12")
    assert "`hidden_size` must be 768, not 128" in printed


def test_nothing_published_and_nothing_to_compare(tiny, capsys, monkeypatch):
    assert "No numbers are published for albert_base_zh" in said(capsys, 1, "albert_base_zh")
    assert "Did you mean" in said(capsys, 1, "albert_base_v3")
    assert "give one checkpoint" in said(capsys, 2)
    content = json.loads(module.TABLE.read_text())
    content["rows"][0] |= {"output": "pieces", "texts": ["a"], "atol": 0}
    module.TABLE.write_text(json.dumps(content))
    assert "Nothing could be compared for uncased_L-2_H-128_A-2" in said(capsys, 1, tiny)


def test_known_digests_are_compared(tiny, capsys, monkeypatch):
    name = tiny.name
    entry = dataclasses.replace(registry.find(name), sha256={"bert_config.json": "0" * 64})
    monkeypatch.setattr(registry, "find", lambda given: entry)
    assert "1 of 2 rows differ" in said(capsys, 1, tiny)
    digest = sha256_of(tiny / "bert_config.json")
    entry = dataclasses.replace(entry, sha256={"bert_config.json": digest, "absent.txt": "0" * 64})
    printed = said(capsys, 0, tiny)
    assert "sha256" in printed and "absent.txt" not in printed


# === The real thing ===


@pytest.mark.full
def test_minilm(minilm, assets, tmp_path, capsys):
    assert said(capsys, 0, minilm, "--as=all-MiniLM-L6-v2").count("  ok  ") == 5
    data = f"--data_dir={assets / 'datasets' / 'glue' / 'STS-B'}"
    assert said(capsys, 0, minilm, "--as=all-MiniLM-L6-v2", data).count("  ok  ") == 6
    for file in ("config.json", "vocab.txt", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((minilm / file).read_bytes())
    arrays = load_file(minilm / "model.safetensors")
    changed = "encoder.layer.3.output.dense.bias"
    arrays[changed] = 3 * arrays[changed]
    save_file(arrays, tmp_path / "model.safetensors")
    printed = said(capsys, 1, tmp_path, "--as=all-MiniLM-L6-v2")
    assert "2 of 7 rows differ" in printed  # the similarities, and the digest of the weights


@pytest.mark.full
def test_published_vocabularies(assets, tmp_path):
    """The rows of ids of texts, with the vocabularies that were published."""
    for name, file in (
        ("uncased_L-12_H-768_A-12", "bert-base-uncased"),
        ("cased_L-12_H-768_A-12", "bert-base-cased"),
        ("multi_cased_L-12_H-768_A-12", "bert-base-multilingual-cased"),
        ("chinese_L-12_H-768_A-12", "bert-base-chinese"),
    ):
        config, arrays = stand_in(name)
        write(tmp_path / name, config, arrays)
        (found,) = (assets / "vocab" / file).glob("*.txt")
        (tmp_path / name / "vocab.txt").write_bytes(found.read_bytes())
        rows = [row for row in published(name)[0] if row.output == "pieces"]
        results = compare(weights.open_checkpoint(tmp_path / name), rows)
        assert rows and [result.word for result in results] == ["ok"] * len(rows), name


@pytest.mark.soak
def test_every_row_of_ids_agrees_with_transformers(reference, tmp_path):
    """On models with the real vocabularies that transformers makes, saves and runs."""
    program = reference / "transformers" / "record_published.py"
    command = [peers.python_of("transformers"), program, module.TABLE, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in NAMES:
        rows, _ = published(name, tmp_path / "table.json")
        results = compare(weights.open_checkpoint(tmp_path / name), rows)
        assert rows and [result.word for result in results] == ["ok"] * len(rows), name
        file = tmp_path / name / "model.safetensors"
        arrays = load_file(file)
        for key in (key for key in arrays if "word_embeddings.weight" in key):
            arrays[key] = arrays[key] * np.float32(1.001)
        save_file(arrays, file)
        results = compare(weights.open_checkpoint(tmp_path / name), rows)
        assert [result.word for result in results] == ["DIFFERS"] * len(rows), name
