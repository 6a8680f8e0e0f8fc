"""Settings are followed when they change, and no argument is taken and then not used."""

import functools

import oracle
import pytest

import bert_tf2

TEXTS = ["The kettle hums.", "rain", "tea-stones, a white umbrella hums"]
NAMES = ["tea", "rain", "stone"]
MAKERS = {
    "classes": functools.partial(oracle.tiny_classifier, NAMES),
    "several labels": functools.partial(
        oracle.tiny_classifier, NAMES, problem_type="multi_label_classification"
    ),
    "tags": functools.partial(oracle.tiny_task, bert_tf2.TokenClassifier, labels=["O", "B-X"]),
}
make = functools.cache(lambda name: MAKERS[name]())


def answered(task):
    (found,) = task.answer(TEXTS)
    return {name: value.tolist() for name, value in found.items()}


@pytest.mark.parametrize(
    ("name", "owner", "setting", "value"),
    [
        pytest.param("tags", "", "aggregation_strategy", "none", marks=pytest.mark.full),
        ("tags", "preprocessor", "max_length", 5),
        ("tags", "", "doc_stride", None),  # the length is 5 by now
        ("several labels", "", "thresholds", [1.0, 0.0, 0.5]),
        ("classes", "", "labels", ["one", "two", "three"]),
    ],
)
def test_a_setting_that_changes_is_followed(name, owner, setting, value):
    task = make(name)
    owner = getattr(task, owner) if owner else task
    before, was = answered(task), getattr(owner, setting)
    setattr(owner, setting, value)
    after = answered(task)
    assert after != before
    if setting != "max_length":
        setattr(owner, setting, was)
        assert answered(task) == before


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make("classes").save_to_preset(tmp_path_factory.mktemp("preset") / "it")


def test_arguments_by_their_places(folder):
    task = bert_tf2.TextClassifier.from_preset(
        *(folder, NAMES, 0.25, "mean", "single_label_classification", None, None, False, "kept")
    )
    found = task.dropout, task.pooling, task.drop_padding, task.name
    assert found == (0.25, "mean", False, "kept")


@pytest.mark.parametrize(
    ("args", "named", "message"),
    [
        ((NAMES, 0.1, "first", "", None, None, True, "name", 8), {}, "too many positional"),
        ((NAMES,), {"labels": NAMES}, "multiple values for argument 'labels'"),
        ((), {"max_len": 8}, "unexpected keyword argument 'max_len'"),
    ],
)
def test_arguments_that_a_task_has_not(folder, args, named, message):
    with pytest.raises(TypeError, match=f"TextClassifier.from_preset: .*{message}"):
        bert_tf2.TextClassifier.from_preset(folder, *args, **named)


@pytest.mark.parametrize("size", [0, -1, "8"])
def test_rows_of_a_batch(size):
    task = make("classes")
    for ask in (task.fit, task.evaluate):
        with pytest.raises(ValueError, match="`batch_size` must be an int from 1"):
            ask(TEXTS, NAMES, batch_size=size, verbose=0)
    for ask in (task.predict, task.predict_labels):
        with pytest.raises(ValueError, match="`batch_size` must be an int from 1"):
            ask(TEXTS, batch_size=size, verbose=0)


def test_prepared_batches_have_their_weights():
    task = make("classes")
    with pytest.raises(ValueError, match="give `class_weight` to what prepared it"):
        task.fit(task.dataset(TEXTS, NAMES), class_weight={"tea": 2.0}, verbose=0)


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        (["X"], {"scheme": "IOB"}, r"one of \['IOB2', 'BIOES', 'BILOU'\]"),
        (["O", "B-X", "I-X"], {"scheme": "IOB"}, "one of"),
        (["O", "X"], {"scheme": "IOB2"}, r"without \"O\", or tags of IOB2.*\['X'\]"),
        (["O", "B-X", "E-X"], {"scheme": "IOB2"}, r"tags of IOB2.*\['E-X'\]"),
        (["X"], {"doc_stride": 0, "scheme": "IOB2"}, "`doc_stride` must be an int from 1"),
        (["O", "X"], {"aggregation_strategy": "mean"}, "`aggregation_strategy` must be one of"),
    ],
)
def test_settings_of_tags_that_have_no_meaning(labels, settings, message):
    base = make("tags")
    with pytest.raises(ValueError, match=message):
        bert_tf2.TokenClassifier(base.encoder, base.preprocessor, labels, **settings)


SWITCHES = [
    (bert_tf2.WordPieceTokenizer, ["lowercase", "strip_accents", "tokenize_chinese_chars"]),
    (bert_tf2.SentencePieceTokenizer, ["lowercase", "keep_accents", "split_white_space"]),
    (bert_tf2.BytePairTokenizer, ["add_prefix_space", "ignore_merges"]),
    (
        lambda **how: bert_tf2.Preprocessor(make("tags").preprocessor.tokenizer, **how),
        ["pad_to_max_length"],
    ),
    (lambda **how: bert_tf2.Encoder(oracle.SMALL, **how), ["recompute"]),
    (
        lambda **how: oracle.tiny_task(bert_tf2.TokenClassifier, labels=NAMES, **how),
        ["crf", "drop_padding"],
    ),
    (lambda **how: oracle.tiny_task(bert_tf2.SentenceEncoder, **how), ["include_prompt"]),
    (lambda **how: make("classes").fit(["tea"], ["tea"], **how), ["shuffle", "drop_remainder"]),
]


@pytest.mark.parametrize(("made", "names"), SWITCHES)
def test_a_switch_is_not_taken_by_its_truth(made, names):
    for name in names:
        for value in ("no", 0, [True]):
            with pytest.raises(ValueError, match=f"^`{name}` must be True or False. Received: "):
                made(**{name: value})


@pytest.mark.parametrize(
    ("made", "name", "values"),
    [
        (SWITCHES[3][0], "max_length", ("8", 8.5, None, True, 2)),
        (SWITCHES[3][0], "length_buckets", ("4,8", [4.5])),
        (SWITCHES[0][0], "max_word_chars", ("9", 9.5, None)),
        (functools.partial(MAKERS["tags"]), "dropout", ("0.1", 1.0, -0.1, True)),
        (functools.partial(MAKERS["classes"]), "dropout", ("0.1", 1.5)),
        (functools.partial(MAKERS["classes"]), "pooling", (["mean"],)),
        (functools.partial(MAKERS["classes"]), "problem_type", (["regression"],)),
    ],
)
def test_a_number_or_a_name_that_is_none(made, name, values):
    for value in values:
        with pytest.raises(ValueError, match=f"^`{name}` must be .*Received: "):
            made(**{name: value})


def test_kinds_of_entities_by_their_number():
    base = make("tags")
    task = bert_tf2.TokenClassifier(base.encoder, base.preprocessor, 2, scheme="IOB2")
    assert task.labels == ["O", "B-0", "I-0", "B-1", "I-1"]


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ([None], "a list of entities for each text.*at index 0: None"),
        (["PER"], "a list of entities for each text.*at index 0: 'PER'"),
        ([[("PER", 0, 1)]], "An entity must be"),
        ([[], []], "a list of entities a text: 1. Received: 2"),
        (iter([[], []]), "a list of entities a text: 1. Received: 2"),
    ],
)
def test_entities_that_are_none(entities, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make("tags").read(["tea"], entities)
