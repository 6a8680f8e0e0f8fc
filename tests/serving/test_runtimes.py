"""Other runtimes answer what the task answers: every task, family and pooling, on hard texts."""

import json
import subprocess
import sys

import numpy as np
import onnx
import oracle
import pytest
import tensorflow as tf
import tiny_masked_lm
from by_default import by_default

import bert_tf2
from bert_tf2.modeling.sentences import POOLINGS
from bert_tf2.serving.runtimes import asked, litert
from bert_tf2.serving.runtimes import onnx as onnx_files
from bert_tf2.serving.runtimes.answers import Answers
from bert_tf2.serving.runtimes.export import RUNTIMES, export, need
from bert_tf2.serving.runtimes.saved import Served

HARD = [
    "The kettle hums.",
    "",
    "   \t\n ",
    "rain & tea " * 60,
    "水壶在响，下雨了。",
    "ティーとケトル 차 한 잔",
    "👩‍👩‍👧‍👦 🫖 e\u0301",
    b"stone \xff\xfe tea \xc3",
    "a\x00b\x07c\x1b[31m\u200b\u2028d",
    "ΟΔΥΣΣΕΥΣ İSTANBUL ß ǅ",
    "[CLS] [SEP] [PAD] ##s",
    "x" * 500,
    "\ue000\U000f0000 private",
    "1,000.50 is 10% of $10,005!!!",
]
PAIRS = (HARD, HARD[::-1])
CHOICES = (HARD, [[a, "tea", b] for a, b in zip(HARD[::-1], HARD[3:] + HARD[:3], strict=True)])


def tiny(cls, **settings):
    return lambda: oracle.tiny_task(cls, oracle.with_dropout(oracle.SMALL, 0.0), **settings)


TASKS = {  # a task, and what it is asked
    "TextClassifier": (
        tiny(bert_tf2.TextClassifier, labels=["a", "b", "c"]),
        [*HARD, "a long text " * 10_000],
    ),
    "pairs": (tiny(bert_tf2.TextClassifier, labels=["a", "b"], pooling="mean"), PAIRS),
    "several labels": (
        tiny(
            bert_tf2.TextClassifier,
            labels=["a", "b"],
            problem_type="multi_label_classification",
            doc_stride=4,
        ),
        HARD,
    ),
    "TextRegressor": (tiny(bert_tf2.TextRegressor, labels=["a", "b"]), PAIRS),
    "Reranker": (tiny(bert_tf2.Reranker), PAIRS),
    "NextSentenceClassifier": (tiny(bert_tf2.NextSentenceClassifier), PAIRS),
    "MultipleChoice": (tiny(bert_tf2.MultipleChoice), CHOICES),
    "QuestionAnswerer": (
        tiny(bert_tf2.QuestionAnswerer, doc_stride=4, max_question_len=6, top_k=2),
        ([text[:30] for text in HARD], HARD),
    ),
    "a beam": (
        lambda: oracle.tiny_task(
            bert_tf2.QuestionAnswerer,
            oracle.TINIES["electra"],
            head="joint_spans",
            doc_stride=4,
            max_question_len=6,
            handle_impossible_answer=True,
        ),
        ([text[:30] for text in HARD], HARD),
    ),
    "ZeroShotClassifier": (
        tiny(
            bert_tf2.ZeroShotClassifier,
            labels=["entailment", "neutral", "contradiction"],
            candidate_labels=["tea", "rain"],
            hypothesis_template="{}",  # a long one is cut, and then all labels are alike
        ),
        HARD,
    ),
    "TokenClassifier": (tiny(bert_tf2.TokenClassifier, labels=["X"], scheme="IOB2"), HARD),
    "CRF": (tiny(bert_tf2.TokenClassifier, labels=["X"], scheme="IOB2", crf=True), HARD),
    "MaskedLM": (tiny_masked_lm.make, ["the [MASK] hums.", "[MASK]茶[MASK]\x07 🫖"]),
    "MaskedLM with nsp": (
        lambda: tiny_masked_lm.make(second_task="nsp"),
        ["the [MASK] hums.", "[MASK]"],
    ),
    "SparseEncoder": (tiny(bert_tf2.SparseEncoder, max_active_dims=6), HARD),
    "MultiVectorEncoder": (
        tiny(bert_tf2.MultiVectorEncoder, document_length=9, skiplist_words=["."]),
        HARD,
    ),
    "SentenceEncoder": (tiny(bert_tf2.SentenceEncoder, modules=["normalize"]), HARD),
    "prompts not counted": (
        tiny(
            bert_tf2.SentenceEncoder,
            include_prompt=False,
            prompts={"tea": "tea "},
            default_prompt_name="tea",
        ),
        HARD,
    ),
}


CLOSE = {"CRF": 5e-5}  # its marginals add up the rounding of 240 words


def assert_same(got, want, atol=1e-5):
    assert got.keys() == want.keys()
    for name, value in want.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(got[name], value, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(got[name], value, err_msg=name)


def run_onnx(task, precision="float32"):
    model, _ = onnx_files.model_of(task, precision)
    onnx.checker.check_model(model, full_check=True)
    return onnx_files.opened(model.SerializeToString(), 1)


def run_litert(task, folder, precision="float32"):
    litert.write(folder, task, precision)
    return litert.opened(folder / litert.FILE)


@pytest.mark.parametrize("name", by_default(TASKS, ["TokenClassifier"]))
def test_onnx_answers_as_the_task(name):
    make, ask = TASKS[name]
    task = make()
    (want,) = task.answer(ask)
    (got,) = Answers(task, run_onnx(task))(ask)
    assert_same(got, want, CLOSE.get(name, 1e-5))


@pytest.mark.full
@pytest.mark.parametrize("name", TASKS)
def test_litert_and_a_saved_model_answer_as_the_task(name, tmp_path):
    make, ask = TASKS[name]
    task = make()
    (want,) = task.answer(ask)
    (got,) = Answers(task, run_litert(task, tmp_path))(ask)
    assert_same(got, want, CLOSE.get(name, 1e-5))
    if name == "TextClassifier":  # of the others see tests/tasks/test_every_task.py
        (got,) = Served(task, bert_tf2.export_saved_model(task, tmp_path / "served"))(ask)
        assert_same(got, want)


def test_litert_answers_as_the_task(tmp_path):
    """In one call of another length after another."""
    task = TASKS["TextClassifier"][0]()
    run = run_litert(task, tmp_path)
    for texts in (HARD[:1], HARD, HARD[4:6]):
        assert_same(*(next(answer(texts)) for answer in (Answers(task, run), task.answer)))


@pytest.mark.parametrize("name", by_default(oracle.TINIES, ["mpnet"]))
@pytest.mark.parametrize("drop_padding", [pytest.param(False, marks=pytest.mark.full), True])
def test_onnx_of_every_family(name, drop_padding):
    config = oracle.with_dropout(oracle.TINIES[name], 0.0)
    task = oracle.tiny_task(
        bert_tf2.TextClassifier, config, labels=["a", "b"], drop_padding=drop_padding
    )
    ids = oracle.random_inputs(task.encoder.config, 5, 12)
    model, _ = onnx_files.model_of(task)
    kinds = [node.op_type for node in model.graph.node]
    blocks = len(config.block_names())
    assert kinds.count("LayerNormalization") == 2 * blocks + 1
    assert kinds.count("Gelu") == blocks + (config.classifier_act == "gelu_erf")
    weights = {x.name for x in model.graph.initializer}
    unread = {"pooler/kernel", "pooler/bias"} if config.classifier_act else set()
    assert task.named_variables().keys() - unread <= weights
    asked_for = {theirs: ids[ours] for ours, theirs in asked.input_names(task).items()}
    got = onnx_files.opened(model.SerializeToString())(asked_for)
    np.testing.assert_allclose(got["logits"], task(ids), atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_and_module(pooling, tmp_path):
    modules = [
        {"kind": "dense", "width": 12, "activation": "gelu", "residual": True},
        "norm",
        *({"kind": "dense", "width": 8, "activation": a} for a in ("silu", "relu", "sigmoid")),
        "normalize",
    ]
    task = tiny(bert_tf2.SentenceEncoder, pooling=pooling, modules=modules)()
    (want,) = task.answer(HARD)
    for run in (run_onnx(task), run_litert(task, tmp_path)):
        (got,) = Answers(task, run)(HARD)
        assert_same(got, want)


def test_names_are_those_of_optimum():
    task = oracle.tiny_classifier()
    model, _ = onnx_files.model_of(task)
    assert [x.name for x in model.graph.input] == ["input_ids", "attention_mask", "token_type_ids"]
    sizes = {
        x.name: [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim]
        for x in (*model.graph.input, *model.graph.output)
    }
    assert sizes["input_ids"] == ["batch_size", "sequence_length"]
    assert sizes["logits"] == sizes["probabilities"] == ["batch_size", 3]
    assert {d.domain: d.version for d in model.opset_import} == {"": 20}


def test_int8_is_that_of_a_saved_model_and_of_each_row_by_itself():
    task = oracle.tiny_classifier()
    run = run_onnx(task, "int8")
    batch = task.preprocessor(HARD)
    ids = {theirs: batch[ours].numpy() for ours, theirs in asked.input_names(task).items()}
    found = run(ids)["logits"]
    exact = task(batch).numpy()
    assert 1e-4 < np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    single = {name: x[:1, : int(batch["padding_mask"][0].numpy().sum())] for name, x in ids.items()}
    np.testing.assert_allclose(run(single)["logits"], found[:1], atol=1e-5)


def test_tables_in_8_bits_are_off_by_half_a_code_at_most():
    from bert_tf2.serving.int8 import quantize_rows

    table = np.random.default_rng(0).normal(size=(9, 7)).astype("float32")
    table[3] = 0
    codes, scales = quantize_rows(table)
    assert codes.dtype == "int8" and np.abs(codes).max(1).tolist() == [127] * 3 + [0] + [127] * 5
    assert (np.abs(codes * scales - table) <= scales / 2 * (1 + 1e-5)).all()


@pytest.mark.full
@pytest.mark.parametrize("format", RUNTIMES)
def test_fewer_bits_are_smaller_and_close(format, tmp_path):
    config = oracle.with_dropout(oracle.SMALL, 0.0)
    sizes = {"hidden_size": 96, "intermediate_size": 192}
    task = oracle.tiny_task(
        bert_tf2.SentenceEncoder, type(config)(**config.to_dict() | sizes), modules=["normalize"]
    )
    (want,) = task.answer(HARD)
    size = {}
    for precision, closeness in (("float32", 1e-5), ("float16", 3e-3), ("int8", 0.05)):
        folder = export(task, tmp_path / precision, format, precision)
        file = folder / RUNTIMES[format].home.FILE
        size[precision] = file.stat().st_size
        (got,) = Answers(task, RUNTIMES[format].home.opened(file))(HARD)
        assert_same(got, want, closeness)
        assert json.loads((folder / "model_card.json").read_text())["precision"] == precision
    assert size["float16"] < 0.6 * size["float32"] and size["int8"] < 0.4 * size["float32"]


@pytest.mark.full
@pytest.mark.parametrize("format", RUNTIMES)
def test_the_readme_is_a_program_without_this_library(format, tmp_path):
    task = oracle.tiny_classifier()
    task.export(tmp_path / "out", format=format)
    readme = (tmp_path / "out" / "README.md").read_text("utf-8")
    program = readme.split("```python\n")[1].split("```")[0]
    program = program.replace("print(", "found = (", 1) if "print(dict" in program else program
    program = program.replace("print(runner", "found = (runner")
    end = "\nimport sys\nassert not {'tensorflow', 'keras', 'bert_tf2'} & {*sys.modules}"
    end += "\nprint(found['logits'].tolist())"
    done = subprocess.run(
        [sys.executable, "-c", program + end],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(got, task(["what a film", "what a bore"]), atol=1e-5)


def test_what_is_refused(tmp_path):
    task = oracle.tiny_classifier()
    with pytest.raises(ValueError, match=r"`precision` of onnx must be one of .*bfloat16"):
        export(task, tmp_path / "a", "onnx", "bfloat16")
    with pytest.raises(ValueError, match="`format` must be one of"):
        export(task, tmp_path / "a", "coreml")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        bert_tf2.export_litert(task, tmp_path / "b")
    with pytest.raises(ImportError, match=r'no_such_package.*pip install "bert_tf2\[onnx\]"'):
        need(("no_such_package",), "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_an_operation_that_nothing_stands_for_is_named(tmp_path, monkeypatch):
    from bert_tf2.modeling import functions

    task = oracle.tiny_classifier()
    monkeypatch.setitem(functions.ACTIVATION_FUNCTIONS, "gelu_tanh", tf.math.asinh)
    with pytest.raises(NotImplementedError, match="nothing stands for Asinh"):
        bert_tf2.export_onnx(task, tmp_path / "out")
    assert not any(tmp_path.iterdir())
