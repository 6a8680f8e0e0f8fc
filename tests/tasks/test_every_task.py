"""What every task gets by a row of `TASKS`: the protocol, held in each place that stands on it."""

import contextlib
import json
from typing import NamedTuple

import c_loader
import keras
import numpy as np
import oracle
import pytest
import replicas
import tensorflow as tf
import tiny_masked_lm
from by_default import by_default
from token_classifier import TokenClassifier

import bert_tf2
from bert_tf2 import weights
from bert_tf2.serving.warmup import FILE as WARM_UP

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea", "tea", "", "a stone"]
WORDS = [["the", "kettle", "hums"], ["rain"], ["stone", "rain"], ["tea"], ["a"], ["a", "stone"]]


class Row(NamedTuple):
    """make(**settings of the encoder and the task) -> a task; the data to train on, None for what
    is not trained; some to ask; the learning rate."""

    make: object
    data: tuple | None
    ask: object
    rate: float = 0.1


def classifier(**settings):
    return oracle.tiny_classifier(config=oracle.with_dropout(oracle.SMALL, 0.0), **settings)


def tiny(cls, **settings):
    """Makes a task of that class, without dropout."""
    return lambda **more: oracle.tiny_task(
        cls, oracle.with_dropout(oracle.SMALL, 0.0), **settings, **more
    )


def tags(**settings):
    base = classifier(**settings)
    task = TokenClassifier(base.encoder, base.preprocessor, ["O", "X"], base.drop_padding)
    rng = np.random.default_rng(1)
    for name in ("token_classifier/kernel", "token_classifier/bias"):
        variable = task.named_variables()[name]
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return task


LABELS = ["tea", "rain", "stone", "tea", "rain", "stone"]
SETS = [["tea"], [], ["rain", "tea"], ["stone"], [], ["rain"]]
PAIRS = (TEXTS, TEXTS[::-1])
CHOICES = (TEXTS, [["tea", "rain", "a stone"]] * 5 + [["a stone", "", "tea & rain"]])
QUESTIONS = (
    ["what hums?", "the stone", "", "rain?", "is it tea", "a"],
    [*TEXTS[:4], "", TEXTS[0] * 9],
)
SPANS = [
    {"text": "kettle", "answer_start": 4},
    None,
    (7, 11),
    {"text": ["tea"], "answer_start": [0]},
    {"text": [], "answer_start": []},
    (132, 136),
]
TAGS = ["O", "B-X", "I-X"]
WORD_TAGS = [["O"] * (len(words) - 1) + ["B-X"] for words in WORDS]
TAG_ANSWERS = {"tags", "tag_scores", "words", "entity_group", "score", "word", "start", "end"}
several = "multi_label_classification"
TASKS = {
    "TextClassifier": Row(classifier, (TEXTS, LABELS), TEXTS),
    "pairs": Row(classifier, ((TEXTS, TEXTS[::-1]), LABELS), (TEXTS, TEXTS[::-1])),
    "several labels": Row(
        tiny(bert_tf2.TextClassifier, labels=["tea", "rain", "stone"], problem_type=several),
        (TEXTS, SETS),
        TEXTS,
        0.01,
    ),
    "TextRegressor": Row(tiny(bert_tf2.TextRegressor), (PAIRS, [1, 2.5, 0, 1, -1, 3]), PAIRS, 1e-3),
    "several numbers": Row(
        tiny(bert_tf2.TextRegressor, labels=["a", "b"]), (TEXTS, np.eye(6)[:, :2]), TEXTS, 1e-3
    ),
    "NextSentenceClassifier": Row(
        tiny(bert_tf2.NextSentenceClassifier), (PAIRS, ["next", "random"] * 3), PAIRS, 0.01
    ),
    "MultipleChoice": Row(tiny(bert_tf2.MultipleChoice), (CHOICES, [0, 1, 2, 0, 1, 2]), CHOICES),
    "QuestionAnswerer": Row(
        tiny(bert_tf2.QuestionAnswerer, doc_stride=4, max_question_len=6, top_k=2),
        (QUESTIONS, SPANS),
        QUESTIONS,
    ),
    "answers by a beam": Row(
        tiny(bert_tf2.QuestionAnswerer, head="answerable_spans"),
        (tuple(side[:5] for side in QUESTIONS), SPANS[:5]),
        tuple(side[:5] for side in QUESTIONS),
        0.01,
    ),
    "ZeroShotClassifier": Row(
        tiny(
            bert_tf2.ZeroShotClassifier,
            labels=["entailment", "neutral", "contradiction"],
            candidate_labels=["tea", "rain"],
        ),
        (PAIRS, ["entailment", "neutral", "contradiction"] * 2),
        TEXTS,
    ),
    "TokenClassifier": Row(
        tiny(bert_tf2.TokenClassifier, labels=TAGS), (WORDS, WORD_TAGS), TEXTS, 0.01
    ),
    "TokenClassifier with CRF": Row(
        tiny(bert_tf2.TokenClassifier, labels=["X"], scheme="IOB2", crf=True),
        (TEXTS, [[(4, 10, "X")], [], [(0, 5, "X"), (13, 16, "X")], [], [], []]),
        TEXTS,
        0.03,
    ),
    "MaskedLM": Row(tiny_masked_lm.make, (TEXTS * 6,), ["the [MASK] hums.", "[MASK] [MASK]"]),
    "MaskedLM with nsp": Row(
        lambda **settings: tiny_masked_lm.make(second_task="nsp", **settings),
        tiny_masked_lm.records(),
        ["the [MASK] hums."],
    ),
    "ReplacedWords": Row(
        tiny(bert_tf2.ReplacedWords, temperature=0, rate=0.3), (TEXTS * 6,), TEXTS, 1e-3
    ),
    "SparseEncoder": Row(tiny(bert_tf2.SparseEncoder, max_active_dims=6), None, TEXTS),
    "MultiVectorEncoder": Row(
        tiny(bert_tf2.MultiVectorEncoder, document_length=9, skiplist_words=["."]), None, TEXTS
    ),
    "SentenceEncoder": Row(tiny(bert_tf2.SentenceEncoder), (PAIRS,), TEXTS, 0.01),
    "vectors by numbers": Row(
        tiny(bert_tf2.SentenceEncoder, modules=["normalize"]),
        (PAIRS, [1, 0.25, 0, 1, 0.5, 0.75]),
        TEXTS,
        0.01,
    ),
    "with a LoRA": Row(
        lambda **settings: classifier(**settings).add_adapter(rank=2), (TEXTS, LABELS), TEXTS
    ),
    "a task of tests": Row(
        tags, (WORDS, [["O"] * (len(w) - 1) + ["X"] for w in WORDS]), WORDS, 0.01
    ),
}
LONG = "stone, rain & tea, a stone lies in tea. " * 3
# Where one row becomes several, or an answer has a head of its own: of these only the steps.
IN_STEPS = {
    "classes in windows": Row(
        tiny(bert_tf2.TextClassifier, labels=["tea", "rain", "stone"], doc_stride=4),
        ([*TEXTS[:2], LONG, *TEXTS[3:]], LABELS),
        None,
    ),
    "tags in windows": Row(
        tiny(bert_tf2.TokenClassifier, labels=TAGS, doc_stride=4),
        ([*WORDS[:2], LONG.split(), *WORDS[3:]], [*WORD_TAGS[:2], ["O"] * 27, *WORD_TAGS[3:]]),
        None,
        0.01,
    ),
    "answers by ELECTRA's beam": Row(
        lambda: oracle.tiny_task(
            bert_tf2.QuestionAnswerer,
            oracle.with_dropout(oracle.TINIES["electra"], 0.0),
            head="joint_spans",
            doc_stride=4,
            max_question_len=5,
        ),
        (QUESTIONS, SPANS),
        None,
        0.01,
    ),
}
# By default the rows that differ most, and of those the steps that do; all with the full tests.
ALIKE = ("pairs", "several numbers", "a task of tests", "MaskedLM", "TokenClassifier")
ALIKE += ("NextSentenceClassifier", "ZeroShotClassifier", "TextClassifier", "TextRegressor")
ALIKE += ("MultipleChoice", "several labels", "SparseEncoder", "MultiVectorEncoder")
ALIKE += ("vectors by numbers", "ReplacedWords", "with a LoRA", "answers by a beam")
STEPS = ("TokenClassifier with CRF",)
ON_BOTH = ("MaskedLM with nsp",)


def rows(*full):
    return by_default(TASKS, TASKS.keys() - {*full})


TRAINED = {name for name, row in TASKS.items() if row.data is not None} | {*IN_STEPS}
each_step = pytest.mark.parametrize(
    "name", by_default([n for n in TASKS | IN_STEPS if n in TRAINED], STEPS)
)


def answers(task, ask):
    """All answers of a task, by name."""
    (found,) = task.answer(ask)
    return found


def trained(name, **how):
    """A task of a row after two steps of SGD, and its losses."""
    row = (TASKS | IN_STEPS)[name]
    keras.utils.set_random_seed(5)
    with how.pop("scope", contextlib.nullcontext()):
        task = row.make()
        if row.data is None:
            return task, []
        task.compile(keras.optimizers.SGD(row.rate), **how)
    history = task.fit(*row.data, batch_size=6, epochs=2, shuffle=False, verbose=0).history
    return task, history["loss"]


@pytest.fixture(scope="module", params=rows(*ALIKE))
def fitted(request):
    """(name, row, task, losses) of a task that has learnt for two epochs, if it is trained."""
    return request.param, TASKS[request.param], *trained(request.param)


def equal(got, want, atol=0.0):
    assert got.keys() == want.keys()
    for name, value in want.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(got[name], value, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(got[name], value, err_msg=name)


def test_it_learns_and_is_scored(fitted):
    name, row, task, losses = fitted
    named = {
        "TextClassifier": {"label", "probabilities", "logits"},
        "several labels": {"labels", "probabilities", "logits"},
        "TextRegressor": {"scores"},
        "NextSentenceClassifier": {"label", "probabilities", "logits"},
        "MultipleChoice": {"index", "choice", "probabilities", "logits"},
        "QuestionAnswerer": {"answers", "scores", "starts", "ends"},
        "ZeroShotClassifier": {"labels", "scores"},
        "MaskedLM": {"words", "probabilities", "masks"},
        "ReplacedWords": {"probabilities", "token_ids"},
        "TokenClassifier": TAG_ANSWERS,
        "SparseEncoder": {"indices", "values"},
        "MultiVectorEncoder": {"token_embeddings", "mask"},
        "SentenceEncoder": {"embedding"},
        "a task of tests": {"labels", "logits"},
    }
    if row.data is not None:
        scores = task.evaluate(*row.data, batch_size=6, verbose=0, return_dict=True)
        assert scores["loss"] <= losses[0]
    assert answers(task, row.ask).keys() == named.get(name, named[type(task).__name__])


def test_keras_file(fitted, tmp_path):
    _, row, task, _ = fitted
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    equal(answers(again, row.ask), answers(task, row.ask))
    if row.data is None:
        return
    assert int(again.optimizer.iterations.numpy()) == int(task.optimizer.iterations.numpy()) > 0
    again.fit(*row.data, batch_size=6, epochs=1, verbose=0)
    assert isinstance(again.optimizer, keras.optimizers.SGD)


def test_a_clone_is_refused_in_words(fitted):
    """Keras would make a model of it that takes no text and has no labels."""
    task = fitted[2]
    with pytest.raises(NotImplementedError, match=f"of a {type(task).__name__} a model that takes"):
        keras.models.clone_model(task)


def test_preset(fitted, tmp_path):
    _, row, task, _ = fitted
    task.save_to_preset(tmp_path / "preset")
    again = type(task).from_preset(tmp_path / "preset")
    equal(answers(again, row.ask), answers(task, row.ask))
    assert again.takes_pairs == task.takes_pairs


@pytest.mark.parametrize("format", ["google", "huggingface"])
def test_other_formats(fitted, tmp_path, format):
    """What a format has a place for comes back; a head it has no name for is refused by name."""
    name, _, task, _ = fitted
    if name == "a task of tests" and format == "google":
        pytest.skip("Google's files do not tell a head of tokens from one of texts")
    if lost := weights.without_a_place(task.contents(), format):
        with pytest.raises(ValueError, match=lost[0].split("/")[0]):
            task.save_to_preset(tmp_path / "out", format)
        return
    task.save_to_preset(tmp_path / "out", format)
    settings = {name: getattr(task, name) for name in task.settings}
    again = type(task).from_preset(tmp_path / "out", **settings)
    for key, array in task.merged_arrays().items():
        np.testing.assert_array_equal(again.named_variables()[key], array, err_msg=key)


@pytest.fixture(scope="module")
def served(fitted, tmp_path_factory):
    return bert_tf2.export_saved_model(fitted[2], tmp_path_factory.mktemp("served"))


def test_saved_model(fitted, served):
    name, row, task, _ = fitted
    signatures = tf.saved_model.load(served).signatures
    inputs = task.prepare(task.read(row.ask))[0]
    want = answers(task, row.ask)
    ids = {n: x for n, x in inputs.items() if n not in task.marks}
    got = signatures["token_ids"](**ids)
    want_of_ids = task.answers(ids, task(ids))
    equal(
        {n: v.numpy() for n, v in got.items()}, {n: v.numpy() for n, v in want_of_ids.items()}, 1e-5
    )
    if name == "a task of tests":  # its strings are lists of words
        return
    texts = row.ask if isinstance(row.ask, tuple) else (row.ask,)
    columns = dict(zip(task.raw_names, map(tf.constant, texts), strict=False))
    got = signatures["serving_default"](**columns)
    equal({n: v.numpy() for n, v in got.items()}, want, atol=1e-5)
    none = signatures["serving_default"](**{n: x[:0] for n, x in columns.items()})
    assert {x.shape[0] for x in none.values()} == {0}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*texts, strict=True)]
    got = signatures["examples"](examples=tf.constant([*map(as_example, rows)]))
    equal({n: v.numpy() for n, v in got.items()}, want, atol=1e-5)
    check_card(served, signatures)


def as_example(row):
    """A row of strings, or lists of them, by name as a serialized `tf.train.Example`."""
    example = tf.train.Example()
    for name, value in row.items():
        values = [value] if isinstance(value, str) else value
        example.features.feature[name].bytes_list.value.extend(x.encode() for x in values)
    return example.SerializeToString()


def check_card(folder, signatures):
    """That a model's card tells its signatures as TensorFlow does, and is itself no signature's."""
    card = json.loads((folder / "model_card.json").read_text("utf-8"))
    assert card["signatures"].keys() == signatures.keys()
    for name, function in signatures.items():
        specs = function.structured_input_signature[1], function.structured_outputs
        for side, told in zip(specs, card["signatures"][name].values(), strict=True):
            assert {n: x["dtype"] for n, x in told.items()} == {
                n: x.dtype.name for n, x in side.items()
            }


@pytest.mark.full
@pytest.mark.skipif(c_loader.compiler() is None, reason="there is no C compiler")
def test_a_c_program_is_answered_the_same(served, program):
    """What a graph warms up with, asked in TensorFlow Serving's own loader and in Python."""
    asked = warm_up_requests(served)
    signatures = tf.saved_model.load(served).signatures
    assert asked.keys() == signatures.keys()
    for name, inputs in asked.items():
        want = {n: v.numpy() for n, v in signatures[name](**inputs).items()}
        arrays = {n: x.numpy() for n, x in inputs.items()}
        equal(c_loader.ask(program, served, name, arrays), want, atol=1e-6)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return c_loader.built(tmp_path_factory.mktemp("program"))


def warm_up_requests(folder):
    """{signature: {name: tensor}} of a SavedModel's warm-up file, read by TensorFlow Serving's own
    messages."""
    from tensorflow_serving.apis import prediction_log_pb2

    found = {}
    for record in tf.data.TFRecordDataset(str(folder / "assets.extra" / WARM_UP)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == folder.parent.name
        inputs = {n: tf.constant(tf.make_ndarray(x)) for n, x in request.inputs.items()}
        found[request.model_spec.signature_name] = inputs
    return found


def test_warm_up_requests(served):
    """Each signature is warmed up, and answers one row to what it is asked."""
    signatures, asked = tf.saved_model.load(served).signatures, warm_up_requests(served)
    assert asked.keys() == signatures.keys()
    for name, inputs in asked.items():
        answered = {len(x) for x in signatures[name](**inputs).values()}
        assert answered == {1} or name == "token_ids"  # a text may be several rows of these


def assert_same(got, losses, want):
    """That a task is where another has come to: `want` as from `trained`."""
    other, other_losses = want
    np.testing.assert_allclose(losses, other_losses, rtol=1e-5)
    for name, variable in other.named_variables().items():
        np.testing.assert_allclose(got.named_variables()[name], variable, atol=5e-6, err_msg=name)


@each_step
def test_micro_batches(name):
    """Parts of a batch, one after another, take the step of the whole."""
    assert_same(*trained(name, micro_batches=3), trained(name))


def train_on_both(strategy, *names):
    """Called by the next test in a process that has two devices."""
    for name in names:
        assert_same(*trained(name, scope=strategy.scope()), trained(name))


@pytest.mark.full
@pytest.mark.parametrize(
    "names", [ON_BOTH, pytest.param(TRAINED - {*ON_BOTH}, marks=pytest.mark.full)]
)
def test_replicas(names):
    replicas.call(__file__, "train_on_both", *names)


@each_step
def test_an_encoder_is_left_as_it_was(name):
    task = (TASKS | IN_STEPS)[name].make()
    assert all(
        v.trainable for v in task.encoder.named_variables().values() if "position" not in v.path
    )


@pytest.mark.full
@pytest.mark.parametrize("name", ["TextClassifier", "TokenClassifier with CRF", "QuestionAnswerer"])
def test_answers_of_what_is_no_number_are_said_to_be_so(name, tmp_path, caplog):
    """A training that diverged must not pass for one whose answers are all the first class."""
    row = TASKS[name]
    task = row.make()
    for path, variable in task.named_variables().items():
        if path.startswith(("classifier", "token_classifier", "span")):
            variable.assign(np.full(variable.shape, np.nan))
    for _ in range(2):
        list(task.answer(row.ask))
    assert caplog.text.count("The model gives NaN, which is no number") == 1
