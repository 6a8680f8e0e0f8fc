"""Losses of vectors against formulas in NumPy written apart, row by row in loops."""

import itertools

import numpy as np
import peers
import pytest
import tensorflow as tf
from closeness import FORMULA, assert_near

from bert_tf2.training import vector_losses
from bert_tf2.training.objectives import Objective, default_kind

B, E = 7, 6


def vectors(texts, rows=B, seed=3):
    return np.random.default_rng(seed).normal(0, 1, (rows, texts, E)).astype("float32")


def cos(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


FAR = {
    "cosine": lambda a, b: 1 - cos(a, b),
    "euclidean": lambda a, b: np.sqrt(((a - b) ** 2).sum()),
    "manhattan": lambda a, b: np.abs(a - b).sum(),
}


def ranking(x, y, w, scale, directions, partition_mode, similarity="cosine"):
    like = cos if similarity == "cosine" else np.dot
    total, rows, texts = 0.0, *x.shape[:2]
    for i in range(rows):
        docs = [(j, k) for j in range(rows) for k in range(1, texts)]
        found = {
            "query_to_doc": [like(x[i, 0], x[j, k]) for j, k in docs],
            "query_to_query": [like(x[i, 0], x[j, 0]) for j in range(rows) if j != i],
            "doc_to_query": [like(x[i, 1], x[j, 0]) for j in range(rows)],
            "doc_to_doc": [like(x[i, 1], x[j, k]) for j, k in docs if j != i],
        }
        found = [np.exp(scale * np.array(found[name])).sum() for name in directions]
        joint = partition_mode == "joint"
        log_z = np.log(sum(found)) if joint else np.mean(np.log(found))
        total += w[i] * (log_z - scale * like(x[i, 0], x[i, 1]))
    return total / rows


def cosent(x, y, w, scale, similarity):
    s = [scale * cos(*row) for row in x]
    pairs = itertools.product(range(B), repeat=2)
    return np.log(1 + sum(np.exp(s[i] - s[j]) for i, j in pairs if y[i] < y[j]))


def batch_hard(x, y, w, margin, distance):
    rows = []
    for i in range(B):
        far = [FAR[distance](x[i, 0], x[j, 0]) for j in range(B)]
        like = [far[j] for j in range(B) if y[j] == y[i] and j != i] or [0.0]
        others = [far[j] for j in range(B) if y[j] != y[i]]
        rows.append(w[i] * max(0.0, max(like) - min(others) + margin))
    return np.mean(rows)


def online(x, y, w, margin, distance):
    far = np.array([FAR[distance](*row) for row in x])
    like, unlike = far[y == 1], far[y == 0]
    hard = like[like > (unlike.min() if len(unlike) else like.mean())]
    near = unlike[unlike < (like.max() if len(like) else unlike.mean())]
    return (hard**2).sum() + (np.maximum(margin - near, 0) ** 2).sum()


def margins(x, y, w, similarity):
    rows = []
    for i, row in enumerate(x):
        scores = [row[0] @ text for text in row[1:]]
        wanted = y[i] if y.shape[1] == len(scores) - 1 else y[i][0] - y[i][1:]
        rows += [w[i] * (scores[0] - s - g) ** 2 for s, g in zip(scores[1:], wanted, strict=True)]
    return np.mean(rows)


def contrastive(x, y, w, margin, distance):
    far = np.array([FAR[distance](*row) for row in x])
    return np.mean(w * (y * far**2 + (1 - y) * np.maximum(margin - far, 0) ** 2) / 2)


def triplet(x, y, w, margin, distance):
    far = [[FAR[distance](row[0], row[k]) for k in (1, 2)] for row in x]
    return np.mean(w * np.maximum([a - b + margin for a, b in far], 0))


def cosine(x, y, w):
    return np.mean(w * (np.array([cos(*row) for row in x]) - y) ** 2)


SCORES = np.array([0.1, 0.9, 0.5, 0.5, 1.0, 0.0, 0.3], "float32")
YES = np.array([1, 0, 1, 1, 0, 0, 1], "float32")
BOTH = ("query_to_doc", "doc_to_query")
symmetric = "multiple_negatives_symmetric_ranking"
CASES = {  # the loss, K, targets, formula
    "ranking": ("multiple_negatives_ranking", 2, None, ranking),
    "hard negatives": ({"kind": "multiple_negatives_ranking", "scale": 5}, 4, None, ranking),
    "both": (symmetric, 2, None, ranking),
    "dot": ({"kind": symmetric, "similarity": "dot", "scale": 1.0}, 3, None, ranking),
    "all directions": (
        {"kind": "multiple_negatives_ranking", "directions": vector_losses.DIRECTIONS},
        3,
        None,
        ranking,
    ),
    "cosent": ("cosent", 2, SCORES, cosent),
    "cosine": ("cosine_similarity", 2, SCORES, cosine),
    "triplet": ("triplet", 3, None, triplet),
    "triplet by cosine": (
        {"kind": "triplet", "distance": "cosine", "margin": 0.3},
        3,
        None,
        triplet,
    ),
    "manhattan": ({"kind": "triplet", "distance": "manhattan"}, 3, None, triplet),
    "hard": ("batch_hard_triplet", 1, np.array([3, 3, 1, 2, 1, 2, 2]), batch_hard),
    "hard by cosine": (
        {"kind": "batch_hard_triplet", "distance": "cosine", "margin": 1},
        1,
        np.array([3, 3, 1, 2, 1, 2, 0]),
        batch_hard,
    ),
    "contrastive": ("contrastive", 2, YES, contrastive),
    "euclidean": (
        {"kind": "contrastive", "distance": "euclidean", "margin": 5},
        2,
        YES,
        contrastive,
    ),
    "online": ("online_contrastive", 2, YES, online),
    "online, all alike": ({"kind": "online_contrastive", "margin": 1}, 2, YES * 0 + 1, online),
    "online, none alike": ({"kind": "online_contrastive", "margin": 2}, 2, YES * 0, online),
    "margin": ("margin_mse", 3, SCORES[:, None], margins),
    "margins": ("margin_mse", 4, np.stack([SCORES, YES], 1), margins),
    "scores": ("margin_mse", 4, np.stack([SCORES, YES, -SCORES], 1), margins),
}


def value(objective, x, y, weights, **more):
    y = np.zeros(len(x), "float32") if y is None else y
    parts = objective(tf.constant(x), tf.constant(y), tf.constant(weights), 0, **more)
    return float(sum(total / size for total, size in parts.values()))


@pytest.mark.parametrize("name", CASES)
def test_losses_are_their_formulas(name):
    loss, texts, y, formula = CASES[name]
    objective, x = Objective(loss, E, 2), vectors(texts)
    weights = np.linspace(0.5, 2, B, dtype="float32") if objective.row.weighs else np.ones(B, "f")
    how = {n: v for n, v in objective.settings.items() if n != "kind"}
    want = formula(x.astype("float64"), y, weights, **how)
    assert value(objective, x, y, weights) == pytest.approx(want, rel=10 * FORMULA)


def test_a_ranking_by_blocks_of_rows_is_that_of_all(monkeypatch):
    """Its value and its gradient, where the number of rows is not known."""
    objective = Objective("multiple_negatives_symmetric_ranking", E, 2)

    @tf.function(input_signature=[tf.TensorSpec([None, 2, E])])
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            ((total, _),) = objective(x, None, tf.linspace(0.0, 1.0, B), 0).values()
        return total, tape.gradient(total, x)

    x = tf.constant(vectors(2))
    want = both(x)
    monkeypatch.setattr(vector_losses, "AT_ONCE", 3)
    got = tf.function(both.python_function, input_signature=both.input_signature)(x)
    for a, b in zip(got, want, strict=True):
        assert_near(a, b, 10 * FORMULA)
    with tf.GradientTape() as tape:  # at once, since it is known
        tape.watch(x)
        ((total, _),) = objective(x, None, tf.linspace(0.0, 1.0, B), 0).values()
    assert_near(tape.gradient(total, x), want[1], 10 * FORMULA)


def test_gradients_are_finite_at_equal_vectors():
    x = tf.constant(np.repeat(vectors(1), 3, 1))
    y, ones = tf.constant(YES), tf.ones(B)
    for name, row in vector_losses.LOSSES.items():
        if row.of is not None and row.targets != "margin":
            few = x[:, : row.texts[0]]
            with tf.GradientTape() as tape:
                tape.watch(few)
                parts = Objective(name, E, 2)(few, y, ones, 0)
                loss = tf.add_n([total / size for total, size in parts.values()])
            assert np.isfinite(tape.gradient(loss, few)).all(), name


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_matryoshka_is_the_sum_over_widths():
    inner = {"kind": "triplet", "margin": 1.0}
    loss = {"kind": "matryoshka", "loss": inner, "matryoshka_dims": [2, 6, 4]}
    x, ones = vectors(3), np.ones(B, "float32")
    got = value(Objective(loss | {"matryoshka_weights": [1, 2, 0.5]}, E, 2), x, None, ones)
    parts = {
        d: triplet(unit(x[..., :d]).astype("float64"), None, ones, 1, "euclidean")
        for d in (2, 4, 6)
    }
    assert got == pytest.approx(parts[2] + 2 * parts[6] + 0.5 * parts[4], rel=10 * FORMULA)
    drawn = Objective(loss | {"n_dims_per_step": 1}, E, 2)
    found = {
        step: float(drawn(tf.constant(x), tf.zeros(B), tf.ones(B), step)["loss"][0]) / B
        for step in range(12)
    }
    assert {round(v, 4) for v in found.values()} == {round(v, 4) for v in parts.values()}


def test_layers_are_trained_towards_the_last():
    x, ones = np.stack([vectors(2, seed=s) for s in (1, 2, 3)], 2), np.ones(B, "float32")
    settings = {"kl_temperature": 0.5, "kl_div_weight": 2.0, "prior_layers_weight": 3.0}
    settings |= {"n_layers_per_step": -1, "n_dims_per_step": -1, "matryoshka_dims": [6, 3]}
    loss = {"kind": "matryoshka_2d", "loss": "cosine_similarity"} | settings
    got = value(Objective(loss, E, 3), x, SCORES, ones)

    def of(x):
        return sum(cosine(x[..., :d].astype("float64"), SCORES, ones) for d in (6, 3))

    def shares(x):
        x = np.exp(x.astype("float64") / 0.5)
        return x / x.sum(-1, keepdims=True)

    want = of(x[:, :, 2]) + 3 * (of(x[:, :, 0]) + of(x[:, :, 1])) / 2
    last = shares(x[:, :, 2])
    for layer in (0, 1):
        far = (last * np.log(last / shares(x[:, :, layer]))).sum(-1).mean()
        want += 2.0 * 0.5 * far
    assert got == pytest.approx(want, rel=20 * FORMULA)
    last_alone = {"last_layer_weight": 1, "prior_layers_weight": 0, "kl_temperature": 0}
    got = value(Objective(loss | last_alone, E, 3), x, SCORES, ones)
    assert got == pytest.approx(of(x[:, :, 2]), rel=10 * FORMULA)


BAD = {
    "beginnings for a softmax": (
        {"kind": "matryoshka", "loss": {"kind": "softmax", "labels": ["a", "b"]}},
        "A softmax reads whole vectors",
    ),
    "name": ("cosents", "`loss` must be one of multiple_negatives_ranking, .*matryoshka_2d"),
    "no name": (7, "or a dict of its `kind`"),
    "setting": ({"kind": "cosent", "margin": 1}, "The settings of 'cosent' are scale, similarity"),
    "scale": ({"kind": "cosent", "scale": 0}, "`scale` must be above 0"),
    "distance": ({"kind": "triplet", "distance": "dot"}, "one of cosine, euclidean, manhattan"),
    "of all pairs": (
        {"kind": "batch_hard_triplet", "distance": "manhattan"},
        "`distance` must be one of euclidean, cosine",
    ),
    "directions": (
        {"kind": "multiple_negatives_ranking", "directions": ["doc_to_query"]},
        "`directions` must be 'query_to_doc'",
    ),
    "partition": ({"kind": "multiple_negatives_ranking", "partition_mode": "x"}, "one of joint"),
    "no labels": ("softmax", "must be given its `labels`"),
    "no dims": ({"kind": "matryoshka", "loss": "cosent"}, "ints from 1 to 6.*Received: None"),
    "wide": (
        {"kind": "matryoshka", "loss": "cosent", "matryoshka_dims": [7]},
        "ints from 1 to 6, the numbers of a vector",
    ),
    "twice": (
        {"kind": "matryoshka", "loss": "cosent", "matryoshka_dims": [2, 2]},
        "`matryoshka_dims` must differ",
    ),
    "within": (
        {"kind": "matryoshka", "loss": {"kind": "matryoshka", "loss": "cosent"}},
        "must be a plain one",
    ),
    "no loss": ({"kind": "matryoshka", "matryoshka_dims": [2]}, "stands around another loss"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    loss, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        Objective(loss, E, 2)


def test_layers_before_the_last_are_needed():
    with pytest.raises(ValueError, match="layers before the last"):
        Objective({"kind": "matryoshka_2d", "loss": "cosent", "matryoshka_dims": [2]}, E, 1)


def test_columns_choose_a_loss():
    assert default_kind(1, "names") == "batch_hard_triplet"
    assert default_kind(2, None) == default_kind(5, None) == "multiple_negatives_ranking"
    assert (default_kind(2, "numbers"), default_kind(3, "numbers")) == ("cosent", "margin_mse")
    with pytest.raises(ValueError, match="goes by itself with 2 texts a row and names: say"):
        default_kind(2, "names")


# === Beside sentence-transformers =================================================================

COSINE = {"distance_metric": "COSINE", "triplet_margin": 0.3}
THERE = {  # a case of `CASES` or "softmax" -> its class there, and arguments
    "ranking": ("MultipleNegativesRankingLoss", {}),
    "hard negatives": ("MultipleNegativesRankingLoss", {"scale": 5}),
    "both": ("MultipleNegativesSymmetricRankingLoss", {}),
    "all directions": ("MultipleNegativesRankingLoss", {"directions": vector_losses.DIRECTIONS}),
    "cosent": ("CoSENTLoss", {}),
    "cosine": ("CosineSimilarityLoss", {}),
    "triplet": ("TripletLoss", {}),
    "triplet by cosine": ("TripletLoss", COSINE),
    "manhattan": ("TripletLoss", {"distance_metric": "MANHATTAN"}),
    "hard": ("BatchHardTripletLoss", {}),
    "hard by cosine": (
        "BatchHardTripletLoss",
        {"distance_metric": "cosine_distance", "margin": 1},
    ),
    "contrastive": ("ContrastiveLoss", {}),
    "euclidean": ("ContrastiveLoss", {"distance_metric": "EUCLIDEAN", "margin": 5}),
    "online": ("OnlineContrastiveLoss", {}),
    "online, all alike": ("OnlineContrastiveLoss", {"margin": 1}),
    "online, none alike": ("OnlineContrastiveLoss", {"margin": 2}),
    "margin": ("MarginMSELoss", {}),
    "margins": ("MarginMSELoss", {}),
    "scores": ("MarginMSELoss", {}),
    "softmax": ("SoftmaxLoss", {"embedding_dimension": E, "num_labels": 3}),
    "widths": ("MultipleNegativesRankingLoss", {}),
    "widths of triplets": ("TripletLoss", {}),
}
WIDTHS = {"matryoshka_dims": [6, 4, 2], "matryoshka_weights": [1, 0.5, 2]}
MORE = {  # as `CASES`, without a formula
    "softmax": ({"kind": "softmax", "labels": ["a", "b", "c"]}, 2, np.arange(B) % 3),
    "widths": ({"kind": "matryoshka", "loss": "multiple_negatives_ranking"} | WIDTHS, 3, None),
    "widths of triplets": ({"kind": "matryoshka", "loss": "triplet"} | WIDTHS, 3, None),
}


@pytest.mark.full
def test_losses_and_gradients_are_those_of_sentence_transformers(tmp_path):
    peers.needs("transformers", "sentence_transformers")
    cases = {name: (*CASES[name][:3],) if name in CASES else MORE[name] for name in THERE}
    kernel = np.random.default_rng(5).normal(0, 0.3, (3 * E, 3)).astype("float32")
    given = {name: y for name, (_, _, y) in cases.items() if y is not None}
    np.savez(tmp_path / "in.npz", vectors=vectors(4), **given)
    jobs = [
        {
            "name": name,
            "loss": loss,
            "how": how,
            "texts": cases[name][1],
            "wrapper": WIDTHS if name.startswith("widths") else None,
            "kernel": kernel.tolist(),
        }
        for name, (loss, how) in THERE.items()
    ]
    files = {"vectors": str(tmp_path / "in.npz"), "out": str(tmp_path / "out.npz")}
    peers.run("transformers", "vector_losses_there.py", files | {"jobs": jobs})
    want = np.load(tmp_path / "out.npz")
    for name, (loss, texts, y) in cases.items():
        x = tf.constant(vectors(4)[:, :texts])
        y = tf.zeros(B) if y is None else tf.constant(y)
        head = (lambda f: f @ kernel) if name == "softmax" else None
        with tf.GradientTape() as tape:
            tape.watch(x)
            parts = Objective(loss, E, 2)(x, y, tf.ones(B), 0, head)
            got = tf.add_n([total / size for total, size in parts.values()])
        assert_near(got, want[name], 3 * FORMULA, err_msg=name)
        assert_near(tape.gradient(got, x), want[f"{name}, gradient"], 3 * FORMULA, err_msg=name)
