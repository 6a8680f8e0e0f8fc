"""Distillation: every loss against NumPy, what is trained and what is not, students, refusals."""

import dataclasses

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
import tiny_masked_lm
from by_default import by_default
from closeness import BACKWARD, CANCELLED, assert_near
from tiny_masked_lm import TEXTS

import bert_tf2
from bert_tf2 import Distiller, bilstm_of, student_of

FOUR = oracle.with_dropout(dataclasses.replace(oracle.TINY, num_hidden_layers=4), 0.0)
LABELS = (["a", "b", "c"] * 8)[: len(TEXTS)]
INNER = {"cosine": 1.0, "hidden": 0.5, "attention": 0.25, "relations": 0.125}


def classifier(config=FOUR, **settings):
    return oracle.tiny_task(bert_tf2.TextClassifier, config, labels=["a", "b", "c"], **settings)


def named(task):
    return {name: np.array(v.value) for name, v in task.named_variables().items()}


# --- What NumPy says of each loss. ----------------------------------------------------------------


def soften(logits):
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def divergence(student, teacher):
    want = soften(teacher)
    return (want * (np.log(want) - np.log(soften(student)))).sum(-1)


def inside(task, ids):
    """Of each row its states, embeddings first, and queries, keys, values of each layer."""
    config, w = task.encoder.config, {n: x.astype("float64") for n, x in named(task).items()}
    layers = oracle.forward(config, w, ids)["layer_outputs"]
    x = (
        w["embeddings/token"][ids["token_ids"]]
        + w["embeddings/position"][: ids["token_ids"].shape[1]]
    )
    if config.type_vocab_size:
        x = x + w["embeddings/segment"][ids["segment_ids"]]
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + config.layer_norm_eps)
    states = [x * w["embeddings/norm/gamma"] + w["embeddings/norm/beta"], *layers]
    parts = [
        [
            states[i] @ w[f"layer_{i}/attention/{part}/kernel"]
            + w[f"layer_{i}/attention/{part}/bias"]
            for part in ("query", "key", "value")
        ]
        for i in range(config.num_hidden_layers)
    ]
    return states, parts


def products(a, b, heads):
    size = a.shape[-1] // heads
    cuts = [slice(i * size, (i + 1) * size) for i in range(heads)]
    return np.stack([a[:, cut] @ b[:, cut].T / np.sqrt(size) for cut in cuts])  # (N, L, L)


def wanted(student, teacher, ids, heads):
    """{name: mean} of what is compared inside, one row at a time, without its padding."""
    ours, theirs = inside(student, ids), inside(teacher, ids)
    k, n = student.encoder.config.num_hidden_layers, teacher.encoder.config.num_hidden_layers
    meet = [(i, round(i * n / k)) for i in range(k + 1)]
    lengths = ids["padding_mask"].sum(1)
    cosine, attention, relations = [], [], []
    hidden = [[] for _ in meet]
    for row, length in enumerate(lengths):
        own, other = ([x[row, :length] for x in m[0]] for m in (ours, theirs))
        a, b = own[-1], other[-1]
        norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
        cosine += (1 - (a * b).sum(-1) / norms).tolist()
        for place, (i, j) in enumerate(meet):
            hidden[place] += ((own[i] - other[j]) ** 2).mean(-1).tolist()
        for i, j in meet[1:]:
            one, two = ([x[row, :length] for x in m[1][p - 1]] for m, p in ((ours, i), (theirs, j)))
            gap = products(*one[:2], 3) - products(*two[:2], 3)
            attention.append((gap**2).mean(0).sum())
        one, two = ([x[row, :length] for x in m[1][-1]] for m in (ours, theirs))
        for x, y in zip(one, two, strict=True):
            relations.append(divergence(products(x, x, heads), products(y, y, heads)).mean(0).sum())
    return {
        "cosine": np.mean(cosine),
        "hidden": sum(np.mean(values) for values in hidden),
        "attention": np.sum(attention) / (lengths**2).sum(),
        "relations": np.sum(relations) / lengths.sum(),
    }


@pytest.mark.parametrize("drop_padding", by_default([False, True], [True]))
def test_losses_of_words_are_numpys(drop_padding):
    """DistilBERT's three of hidden words, and all that is compared inside."""
    teacher = tiny_masked_lm.make(FOUR, drop_padding=drop_padding)
    student = student_of(teacher)
    for variable in student.encoder.parts["blocks"][0].trainable_variables:
        variable.assign(variable * 0.9)  # no more a copy
    inputs, targets = tiny_masked_lm.records()
    inputs["segment_ids"] = np.zeros_like(inputs["segment_ids"])
    distiller = Distiller(student, teacher, hidden=0.5, attention=0.25, relations=0.125)
    distiller.compile("sgd")
    got = distiller.evaluate(inputs, targets, verbose=0, return_dict=True)
    want = wanted(student, teacher, inputs, 3)
    weight = targets["masked_weights"].astype(bool)
    ours, theirs = (np.asarray(m(inputs), "float64")[weight] for m in (student, teacher))
    hard = -np.log(soften(ours))[np.arange(len(ours)), targets["masked_ids"][weight]].mean()
    want |= {"soft": divergence(ours / 2, theirs / 2).mean() * 4, "hard": hard}
    shares = {**INNER, "soft": 5.0, "hard": 2.0}
    for name, value in want.items():
        assert got[f"{name}_loss"] == pytest.approx(shares[name] * value, rel=1e-4), name
    assert got["loss"] == pytest.approx(sum(shares[n] * x for n, x in want.items()), rel=1e-4)
    alike = (ours.argmax(-1) == theirs.argmax(-1)).mean()
    assert got["agreement"] == pytest.approx(alike, abs=1e-6)


@pytest.mark.parametrize(
    ("cls", "settings", "labels"),
    by_default(
        [
            ("TextClassifier", (("labels", ("a", "b", "c")),), "one"),
            ("TextClassifier", (("labels", ("a", "b")), ("problem_type", "multi")), "several"),
            ("TextRegressor", (), "numbers"),
            ("SentenceEncoder", (), None),
        ],
        [("TextClassifier", (("labels", ("a", "b", "c")),), "one")],
    ),
)
def test_losses_of_texts_are_numpys(cls, settings, labels):
    settings = dict(settings)
    if settings.get("problem_type"):
        settings["problem_type"] = "multi_label_classification"
    if "labels" in settings:
        settings["labels"] = list(settings["labels"])
    teacher = oracle.tiny_task(getattr(bert_tf2, cls), FOUR, **settings)
    student, texts = student_of(teacher, 3), TEXTS[:9]
    y = {"one": LABELS[:9], "several": [["a"], [], ["a", "b"]] * 3, "numbers": range(9), None: None}
    distiller = Distiller(student, teacher, temperature=3.0)
    distiller.compile("sgd")
    y = y[labels] if labels is None else list(y[labels])
    got = distiller.evaluate(texts, y, verbose=0, return_dict=True)
    ids = student.preprocessor(texts)
    ours, theirs = (np.asarray(m(ids), "float64") for m in (student, teacher))
    if labels == "one":
        want = divergence(ours / 3, theirs / 3) * 9
    elif labels == "several":
        both = [np.stack([x / 3, np.zeros_like(x)], -1) for x in (ours, theirs)]
        want = divergence(*both).mean(-1) * 9
    else:
        want = ((ours - theirs) ** 2).mean(-1)
    share = 1.0 if labels is None else 0.5
    assert got["soft_loss"] == pytest.approx(share * want.mean(), rel=1e-4)
    if labels:
        student.compile("sgd")
        own = student.evaluate(texts, y, verbose=0, return_dict=True)["loss"]
        assert got["hard_loss"] == pytest.approx(0.5 * own, rel=1e-4)


def soft_loss(distiller, *rows):
    distiller.compile("sgd")
    return distiller.evaluate(*rows, verbose=0, return_dict=True)["soft_loss"]


@pytest.mark.parametrize("labelled", by_default([False, True], [False]))
def test_answers_are_compared_window_by_window(labelled):
    """Starts and ends of each window, with labels and without; other strides are refused."""
    short = dataclasses.replace(FOUR, num_hidden_layers=2, max_position_embeddings=20)
    how = {"doc_stride": 4, "max_question_len": 6}
    teacher = oracle.tiny_task(bert_tf2.QuestionAnswerer, short, **how)
    student = student_of(teacher, 1)
    texts = (["what hums", "who wrote"], [" ".join(TEXTS[:2]), TEXTS[3]])
    columns = dict(zip(teacher.raw_names, map(tf.constant, texts), strict=True))
    inputs = {n: x for n, x in teacher.prepare(columns)[0].items() if n in teacher.input}
    want = []
    for row in range(len(inputs["token_ids"])):
        there = inputs["padding_mask"][row].numpy().astype(bool)
        ours, theirs = (np.asarray(m(inputs), "float64")[row][:, there] for m in (student, teacher))
        want.append(divergence(ours / 2, theirs / 2).mean() * 4)
    assert len(want) > 4
    distiller = Distiller(student, teacher, soft=1.0, hard=float(labelled))
    rows = (texts, [{"text": [], "answer_start": []}] * 2) if labelled else (texts,)
    assert soft_loss(distiller, *rows) == pytest.approx(np.mean(want), rel=1e-4)
    other = oracle.tiny_task(bert_tf2.QuestionAnswerer, short, **how | {"doc_stride": 5})
    with pytest.raises(ValueError, match=r"window by window.* Other are: doc_stride$"):
        Distiller(other, teacher)


@pytest.mark.full
def test_tags_are_compared_window_by_window():
    """Of the first pieces of words, with labels and without."""
    short = dataclasses.replace(FOUR, num_hidden_layers=2, max_position_embeddings=12)
    labels = ["O", "B-X", "I-X"]
    teacher = oracle.tiny_task(bert_tf2.TokenClassifier, short, labels=labels, doc_stride=3)
    student, words = student_of(teacher, 1), [text.split() for text in TEXTS[:3]]
    tags = [["O"] * len(row) for row in words]
    columns = teacher.read(words, tags)
    inputs, _, weights = teacher.prepare(columns)
    inputs = {n: x for n, x in inputs.items() if n in teacher.input}
    ours, theirs = (np.asarray(m(inputs), "float64") for m in (student, teacher))
    first = weights.numpy() > 0
    assert len(first) > len(words)
    want = divergence(ours[first] / 2, theirs[first] / 2).mean() * 4
    both = Distiller(student, teacher, soft=1.0, hard=1.0)
    assert soft_loss(both, words, tags) == pytest.approx(want, rel=1e-4)
    assert soft_loss(Distiller(student, teacher, soft=1.0, hard=0.0), words) == pytest.approx(
        want, rel=1e-4
    )


# --- What is trained. -----------------------------------------------------------------------------


def trained(**how):
    teacher = classifier()
    student = student_of(teacher, 2)
    before = named(teacher)
    distiller = Distiller(student, teacher, **INNER)
    distiller.compile(keras.optimizers.SGD(0.01), **how)
    distiller.fit(TEXTS, LABELS, batch_size=21, epochs=2, shuffle=False, verbose=0)
    for name, array in named(teacher).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    return distiller, student


@pytest.mark.full
def test_the_student_is_trained_and_nothing_else():
    distiller, student = trained()
    own = {id(v) for v in student.variables}
    assert {id(v) for v in distiller.trainable_variables} <= own
    teacher = classifier()
    changed = {n for n, x in named(student).items() if n not in named(teacher)}
    assert not changed  # layers are called as there
    start = named(student_of(teacher, 2))
    assert all((named(student)[n] != start[n]).any() for n in start if "segment" not in n)
    with pytest.raises(TypeError, match="save the student"):
        distiller.save("x.keras")


@pytest.mark.full
def test_micro_batches_take_the_same_step():
    whole, parts = trained()[1], trained(micro_batches=3)[1]
    for name, array in named(whole).items():
        assert_near(named(parts)[name], array, CANCELLED, err_msg=name)


@pytest.mark.full
def test_widths_that_differ_are_fitted():
    teacher = classifier()
    narrow = dataclasses.replace(FOUR, num_hidden_layers=2, hidden_size=12, intermediate_size=20)
    student = classifier(narrow)
    distiller = Distiller(student, teacher, hidden=1.0, relations=1.0, attention=1.0)
    history = distiller.fit(TEXTS, LABELS, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert sum("fit_" in v.path for v in distiller.trainable_variables) == 3
    assert not any("fit_" in v.path for v in student.variables)


@pytest.mark.full
@pytest.mark.parametrize("student", ["fewer layers", "bilstm"])
def test_a_student_learns_what_its_teacher_answers(student):
    """Without labels, from texts alone."""
    keras.utils.set_random_seed(4)
    words = ["stone", "tea", "rain", "letter"]
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(words, 5)) for _ in range(400)]
    labels = ["a" if text.count("tea") > text.count("rain") else "b" for text in texts]
    config = oracle.with_dropout(dataclasses.replace(oracle.TINY, num_hidden_layers=2), 0.0)
    made = classifier(config)
    encoder = bert_tf2.Encoder(made.encoder.config)
    teacher = bert_tf2.TextClassifier(encoder, made.preprocessor, labels=["a", "b"])
    teacher.compile({"learning_rate": 3e-3})
    teacher.fit(texts, labels, epochs=8, verbose=0)
    learner = bilstm_of(teacher, 16, 16) if student == "bilstm" else student_of(teacher, 1)
    distiller = Distiller(learner, teacher, hard=0)
    distiller.compile({"learning_rate": 1e-2 if student == "bilstm" else 3e-3})
    distiller.fit(texts, epochs=10, verbose=0)
    got = distiller.evaluate(texts, verbose=0, return_dict=True)
    assert got["agreement"] > 0.95
    logits = np.asarray(learner(teacher.preprocessor(texts[:7])))
    assert logits.shape == (7, 2)


@pytest.mark.full
def test_a_teacher_with_another_tokenizer(reference):
    from small_encoders import SIZES, preprocessor

    teacher, texts = classifier(), preprocessor("albert", reference)
    sizes = SIZES | {"vocab_size": texts.tokenizer.vocabulary_size, "embedding_size": 8}
    config = bert_tf2.EncoderConfig(family="albert", **bert_tf2.config.FAMILIES["albert"] | sizes)
    student = bert_tf2.TextClassifier(bert_tf2.Encoder(config), texts, labels=["a", "b", "c"])
    distiller = Distiller(student, teacher)
    distiller.fit(TEXTS, LABELS, epochs=1, verbose=0)
    got = distiller.evaluate(TEXTS, LABELS, verbose=0, return_dict=True)
    ours, theirs = (np.asarray(m(TEXTS), "float64") for m in (student, teacher))
    assert got["soft_loss"] == pytest.approx(divergence(ours / 2, theirs / 2).mean() * 2, rel=1e-4)
    with pytest.raises(ValueError, match="cut by one tokenizer"):
        Distiller(student, teacher, hidden=1.0)


# --- Students. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", by_default(oracle.TINIES, ["bert"]))
def test_a_student_of_each_family(family, tmp_path):
    """All layers kept it computes what its teacher does, though it has no segments or pooler."""
    teacher = tiny_masked_lm.make(oracle.TINIES[family])
    inputs, _ = tiny_masked_lm.records()
    inputs["segment_ids"] = np.zeros_like(inputs["segment_ids"])
    layers = teacher.encoder.config.num_hidden_layers
    student = student_of(teacher, layers)
    assert not student.encoder.config.pooler
    assert student.encoder.config.family == family.split(",")[0].split(" without")[0].replace(
        "bert", "distilbert" if family.startswith("bert") else "bert"
    )
    assert_near(student(inputs), teacher(inputs), BACKWARD)
    least = teacher.encoder.config.num_hidden_groups or 1
    assert student_of(teacher).encoder.config.num_hidden_layers == max(layers // 2, least)
    if family == "bert":
        student.save_to_preset(tmp_path / "there", "huggingface")
        again = bert_tf2.MaskedLM.from_preset(tmp_path / "there")
        assert_near(again(inputs), teacher(inputs), BACKWARD)


def test_which_layers_a_student_keeps():
    from bert_tf2.modeling.thinned import kept_layers

    assert kept_layers(12, 6) == [0, 2, 4, 7, 9, 11]  # extract_distilbert.py
    assert kept_layers(6, 3) == [0, 2, 5] and kept_layers(4, 1) == [0]
    teacher = classifier()
    student, want = student_of(teacher, [3, 1]), named(teacher)
    found = named(student)
    kernel = "attention/query/kernel"
    np.testing.assert_array_equal(found[f"layer_0/{kernel}"], want[f"layer_3/{kernel}"])
    np.testing.assert_array_equal(found[f"layer_1/{kernel}"], want[f"layer_1/{kernel}"])
    np.testing.assert_array_equal(found["classifier/kernel"], want["classifier/kernel"])
    for layers in (0, 5, [4], []):
        with pytest.raises(ValueError, match="`layers` must be"):
            student_of(teacher, layers)


def renamed(labels, **settings):
    return oracle.tiny_task(bert_tf2.TextClassifier, oracle.SMALL, labels=labels, **settings)


@pytest.mark.parametrize(
    ("make", "how", "message"),
    [
        (lambda t: student_of(t, 1), {"soft": 0, "hard": 0}, "one above 0"),
        (lambda t: student_of(t, 1), {"relations": 1.0, "relation_heads": 5}, "must divide both"),
        (lambda t: bilstm_of(t, 4, 4), {"hidden": 1.0}, "a student without an encoder"),
        (lambda t: tiny_masked_lm.make(), {}, "must be a TextClassifier"),
        (lambda t: renamed(2), {}, r"`labels` must be the teacher's, in its order.*'0', '1'"),
        (lambda t: renamed(["b", "a", "c"]), {}, r"`labels` must be .*\['b', 'a', 'c'\] and \['a'"),
        (
            lambda t: renamed(["a", "b", "c"], problem_type="multi_label_classification"),
            {},
            "`problem_type` must be the teacher's",
        ),
        (lambda t: student_of(t, 1).add_adapter(), {}, r"no active adapter.*Received: 'default'"),
    ],
)
def test_what_cannot_be_distilled(make, how, message):
    teacher = classifier(oracle.SMALL)
    with pytest.raises(ValueError, match=message):
        Distiller(make(teacher), teacher, **how)


def test_a_model_of_other_outputs_does_not_answer_for_a_task(tmp_path):
    """Or its third class would be read as another, or as none."""
    teacher = classifier(oracle.SMALL)
    other = oracle.tiny_task(bert_tf2.TextClassifier, labels=list("abcd"))
    words = r"must give what this TextClassifier gives, \(\d,\) a text. Received: \(4,\)"
    with pytest.raises(ValueError, match=words):
        next(teacher.answer(TEXTS, model=bilstm_of(other, 4, 4)))
    with pytest.raises(ValueError, match=words):
        bert_tf2.export_saved_model(teacher, tmp_path / "1", model=other)
    assert not [*tmp_path.iterdir()]


def test_labels_are_asked_for_where_they_are_learnt_from():
    teacher = classifier(oracle.SMALL)
    with pytest.raises(ValueError, match="`y`, the labels, must be given"):
        Distiller(student_of(teacher, 1), teacher).fit(TEXTS, verbose=0)
    with pytest.raises(ValueError, match="must answer with one tensor"):
        Distiller(teacher, tiny_masked_lm.make(second_task="nsp"))
    with pytest.raises(ValueError, match="one vector a text"):
        bilstm_of(tiny_masked_lm.make())
    vectors = oracle.tiny_task(bert_tf2.SentenceEncoder, oracle.SMALL)
    with pytest.raises(ValueError, match="`hard` must be 0"):
        Distiller(vectors, vectors, hard=1.0)
    wide = dataclasses.replace(oracle.SMALL, hidden_size=12)
    with pytest.raises(ValueError, match="as many numbers"):
        Distiller(oracle.tiny_task(bert_tf2.SentenceEncoder, wide), vectors)
    asking = {"prompts": {"q": "stone: "}, "default_prompt_name": "q"}
    asked = oracle.tiny_task(bert_tf2.SentenceEncoder, oracle.SMALL, **asking)
    assert not Distiller(vectors, asked).same_ids and Distiller(asked, asked).same_ids


def test_texts_that_two_tokenizers_read_otherwise():
    """Over one vocabulary, too: the teacher of a cased student reads its own ids."""
    teacher = classifier(oracle.SMALL)
    tokenizer = bert_tf2.WordPieceTokenizer(tiny_masked_lm.FIXTURE / "vocab_uncased.txt", False)
    cased = bert_tf2.Preprocessor(tokenizer, teacher.preprocessor.max_length)
    student = bert_tf2.TextClassifier(student_of(teacher, 1).encoder, cased, teacher.labels)
    distiller, texts = Distiller(student, teacher), ["Rain", "The Tea"]
    assert not distiller.same_ids
    found = distiller(distiller.prepare({"text": tf.constant(texts)})[0])
    assert_near(found["student"], student(texts), BACKWARD)
    assert_near(found["teacher"], teacher(texts), BACKWARD)
    with pytest.raises(ValueError, match=r"cut by one tokenizer.* Received: other lowercase"):
        Distiller(student, teacher, cosine=1.0)
    words = tiny_masked_lm.make()
    with pytest.raises(ValueError, match=r"token by token, .* Other are: lowercase"):
        Distiller(bert_tf2.MaskedLM(student_of(words, 1).encoder, cased), words, cosine=0.0)


# --- Adapters. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", by_default(["lora", "merged", "houlsby"], ["lora", "houlsby"]))
def test_a_teacher_teaches_with_its_adapter(kind):
    """What it answers, what is compared inside, and what its student begins with."""
    teacher = classifier(oracle.SMALL).add_adapter("houlsby" if kind == "houlsby" else "lora")
    rng = np.random.default_rng(3)
    for variable in teacher.trainable_variables:
        variable.assign(rng.normal(scale=0.3, size=variable.shape))
    student, ids = classifier(oracle.SMALL), teacher.preprocessor(TEXTS[:4])
    if kind == "merged":
        teacher.merge_adapter()
    distiller = Distiller(student, teacher, relations=1.0)
    with pytest.raises(TypeError, match="takes no adapters"):
        distiller.add_adapter()
    found = distiller(ids)
    assert_near(found["teacher"], teacher(ids), BACKWARD)
    with teacher.disable_adapter():
        assert np.abs(teacher(ids) - found["teacher"]).max() > 0.05
    if kind == "houlsby":
        with pytest.raises(ValueError, match="is no sum of kernels"):
            student_of(teacher)
        return
    plain = teacher.merge_and_unload()
    want = Distiller(student, plain, relations=1.0)(ids)
    for part in ("query", "key", "value"):
        assert_near(found[f"taught_{part}_1"], want[f"taught_{part}_1"], BACKWARD)
    again = student_of(teacher, teacher.encoder.config.num_hidden_layers)
    assert not again.adapters
    assert_near(again(ids), teacher(ids), BACKWARD)
