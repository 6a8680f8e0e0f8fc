"""An independent forward pass of every family in NumPy float64, and small models to try it on.

Written from Devlin et al. 2018, Vaswani et al. 2017, Lan et al. 2019 and the arithmetic of the
originals (google-research/bert, albert and electra `modeling.py`; DistilBERT and RoBERTa in
transformers), sharing no code with the package: one sentence and one head at a time.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np
from closeness import FORWARD

from bert_tf2.config import FAMILIES, EncoderConfig

TINY = EncoderConfig(
    vocab_size=97,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=20,
)

SMALL = dataclasses.replace(TINY, num_hidden_layers=1)  # traced in less time, for what is around it

_SIZES = {
    "vocab_size": 97,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 20,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


def _tiny(family, **values):
    return EncoderConfig(family=family, **FAMILIES[family] | _SIZES | values)


# One of each kind: name -> config.
TINIES = {
    "bert": TINY,
    "bert without pooler": dataclasses.replace(TINY, pooler=False, classifier_act="tanh"),
    "albert": _tiny("albert", embedding_size=10, num_hidden_layers=3),
    "albert, groups": _tiny("albert", embedding_size=24, num_hidden_layers=3, num_hidden_groups=2),
    "albert, inner groups": _tiny(
        "albert", embedding_size=10, num_hidden_groups=2, inner_group_num=2
    ),
    "distilbert": _tiny("distilbert"),
    "distilbert, sinusoidal": _tiny("distilbert", sinusoidal_positions=True),
    "electra": _tiny("electra", embedding_size=10),
    "electra, equal sizes": _tiny("electra"),
    "electra_generator": _tiny("electra_generator", embedding_size=26),
    "roberta": _tiny("roberta"),
    "mpnet": _tiny("mpnet"),
    "roberta without pooler": _tiny("roberta", pooler=False),
}


def with_dropout(config, rate):
    rates = {name: rate for name in config.to_dict() if name.endswith("dropout_prob")}
    return dataclasses.replace(config, **rates)


def random_weights(shapes, seed=0):
    """name -> float32 array: norms around 1, everything else N(0, 0.3)."""
    generator = np.random.default_rng(seed)
    return {
        name: (name.endswith("gamma") + 0.3 * generator.standard_normal(shape)).astype("float32")
        for name, shape in shapes.items()
    }


def random_inputs(config, batch=5, length=12, seed=0):
    """Ids with rows of different length, all at least one token."""
    generator = np.random.default_rng(seed)
    mask = np.arange(length) < generator.integers(1, length + 1, (batch, 1))
    return {
        "token_ids": generator.integers(0, config.vocab_size, (batch, length)).astype("int32"),
        "segment_ids": generator.integers(0, 2, (batch, length)).astype("int32"),
        "padding_mask": mask.astype("int32"),
    }


_erf = np.vectorize(math.erf)
ACTIVATIONS = {
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_erf": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "linear": lambda x: x,
}


def forward(config, weights, inputs, between=None):
    """`between(place, out, x)` is what stands between a half of a block and its sum with x.

    -> dict of layer_outputs (list of (B, L, D)), pooled_output (B, D) if there is a pooler,
    first_output (B, D) and attention_scores (list of (B, N, L, L)).
    """
    w = {name: np.asarray(value, "float64") for name, value in weights.items()}
    rows = [
        _sentence(
            config,
            w,
            *(inputs[k][b] for k in ("token_ids", "segment_ids", "padding_mask")),
            between or (lambda place, out, x: out),
        )
        for b in range(len(inputs["token_ids"]))
    ]
    layers = [np.stack(layer) for layer in zip(*(states for states, _ in rows), strict=True)]
    scores = [np.stack(layer) for layer in zip(*(probs for _, probs in rows), strict=True)]
    first = layers[-1][:, 0]
    pooled = {"pooled_output": np.tanh(_dense(w, "pooler", first))} if config.pooler else {}
    return {"layer_outputs": layers, "first_output": first, "attention_scores": scores} | pooled


def classifier_logits(config, weights, inputs):
    """(B, C): the published classifier of each family, on the first token."""
    w = {name: np.asarray(value, "float64") for name, value in weights.items()}
    outputs = forward(config, weights, inputs)
    if config.family in ("bert", "albert") and config.pooler:
        return _dense(w, "classifier", outputs["pooled_output"])
    act = {"distilbert": "relu", "electra": "gelu_erf", "electra_generator": "gelu_erf"}
    x = _dense(w, "pre_classifier", outputs["first_output"])
    return _dense(w, "classifier", ACTIVATIONS[act.get(config.family, "tanh")](x))


def _sentence(config, w, ids, segments, mask, between):
    x = w["embeddings/token"][ids] + w["embeddings/position"][_positions(config, ids)]
    if config.type_vocab_size:
        x = x + w["embeddings/segment"][segments if config.type_vocab_size > 1 else 0]
    x = _norm(config, w, "embeddings/norm", x)
    if "embeddings/projection/kernel" in w:
        x = _dense(w, "embeddings/projection", x)
    states, scores = [], []
    for block in _blocks(config):
        context, probabilities = _attention(config, w, f"{block}/attention", x, mask)
        context = between(f"{block}/attention", context, x)
        x = _norm(config, w, f"{block}/attention/norm", context + x)
        inner = ACTIVATIONS[config.hidden_act](_dense(w, f"{block}/ffn/intermediate", x))
        out = between(f"{block}/ffn", _dense(w, f"{block}/ffn/output", inner), x)
        x = _norm(config, w, f"{block}/ffn/norm", out + x)
        states.append(x)
        scores.append(probabilities)
    return states, scores


def _positions(config, ids):
    """0, 1, 2, …; RoBERTa's count from its padding id, and stand still at padding."""
    padding = config.position_padding_id
    if padding is None:
        return list(range(len(ids)))
    rows, count = [], 0
    for token in ids:
        count += token != padding
        rows.append(padding if token == padding else padding + count)
    return rows


def _blocks(config):
    """ALBERT's groups of layers, as google-research/albert `modeling.py` numbers them."""
    layers, groups = config.num_hidden_layers, config.num_hidden_groups
    if config.family != "albert":
        return [f"layer_{i}" for i in range(layers)]
    order = []
    for i in range(layers):
        for inner in range(config.inner_group_num):
            order.append(f"group_{int(i / layers * groups)}_inner_{inner}")
    return order


def _attention(config, w, path, x, mask):
    size = config.hidden_size // config.num_attention_heads
    parts, scores = [], []
    for head in range(config.num_attention_heads):
        columns = slice(head * size, (head + 1) * size)
        query, key, value = (
            _dense(w, f"{path}/{name}", x)[:, columns] for name in ("query", "key", "value")
        )
        logits = query @ key.T / math.sqrt(size) - 10000.0 * (1 - mask)
        if config.relative_buckets:
            logits += _relative(w["positions/relative"][:, head], len(x))
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        parts.append(weights @ value)
        scores.append(weights)
    return _dense(w, f"{path}/output", np.concatenate(parts, -1)), np.stack(scores)


def _relative(table, length):
    """What one head adds for the distance of two tokens (Raffel et al. 2020, section 2.1)."""
    side = len(table) // 2  # of these, half for single steps and half in growing ranges up to 128
    bias = np.zeros((length, length))
    for asking in range(length):
        for asked in range(length):
            steps = abs(asked - asking)
            if steps >= side // 2:
                share = math.log(steps / (side // 2)) / math.log(128 / (side // 2))
                steps = min(side - 1, side // 2 + math.floor(share * (side - side // 2)))
            bias[asking, asked] = table[steps + side * (asked > asking)]
    return bias


def _dense(w, path, x):
    return x @ w[f"{path}/kernel"] + w[f"{path}/bias"]


def norm(config, weights, path, x):
    """A norm of the model's, by its name."""
    return _norm(
        config, {n: np.asarray(weights[n]) for n in weights if n.startswith(path)}, path, x
    )


def _norm(config, w, path, x):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config.layer_norm_eps)
    return scaled * w[f"{path}/gamma"] + w[f"{path}/beta"]


# --- Models to compare with it. -------------------------------------------------------------------

# float32 against float64, through three layers of values of order 1: the originals' own float32
# noise is up to 3e-6.
TOLERANCE = FORWARD
# A fully masked row is only shifted, by -10000, where float32 has steps of 1e-3.
SHIFTED_TOLERANCE = 5e-3


def assert_close(got, want, inputs):
    """Row by row of a batch; `got` and `want` start with B."""
    got = np.asarray(got)
    shifted = ~inputs["padding_mask"].any(-1)
    np.testing.assert_allclose(got[~shifted], want[~shifted], atol=TOLERANCE)
    np.testing.assert_allclose(got[shifted], want[shifted], atol=SHIFTED_TOLERANCE)


def odd_masks(config):
    """Rows: full, padded, fully masked, a gap, [CLS] masked, one token."""
    rows = ("11111111", "11111000", "00000000", "11001110", "01111111", "10000000")
    mask = np.array([[int(digit) for digit in row] for row in rows], "int32")
    return random_inputs(config, batch=6, length=8) | {"padding_mask": mask}


def make_encoder(config=TINY, seed=0):
    """-> an Encoder with random weights, and these by name."""
    from bert_tf2 import Encoder

    encoder = Encoder(config)
    weights = random_weights({n: v.shape for n, v in encoder.named_variables().items()}, seed)
    for name, variable in encoder.named_variables().items():
        variable.assign(weights[name])
    return encoder, weights


def gradients(encoder, inputs, **how):
    """Of a loss on the first token's vector, pooled where there is a pooler: name -> array."""
    import keras
    import tensorflow as tf

    from bert_tf2.modeling.encoder import input_tensors

    symbolic = input_tensors()
    outputs = encoder.encode(symbolic, **how)
    if encoder.config.pooler:
        vector = outputs["pooled_output"]
    else:
        vector = outputs["first_output"] if how.get("first_only") else outputs["sequence_output"]
    model = keras.Model(symbolic, vector)
    variables = {n: v.value for n, v in encoder.named_variables().items() if v.trainable}
    with tf.GradientTape() as tape:
        vector = model(inputs)
        vector = vector[:, 0] if len(vector.shape) == 3 else vector
        loss = tf.reduce_sum(tf.square(vector - 0.3))
    found = tape.gradient(loss, variables)
    return {name: tf.convert_to_tensor(g).numpy() for name, g in found.items()}


def tiny_classifier(labels=("tea", "stone", "rain"), config=SMALL, pad=False, **kwargs):
    """A TextClassifier of one layer on the committed vocabulary, with seeded random weights."""
    from bert_tf2 import TextClassifier

    return tiny_task(TextClassifier, config, pad, labels=list(labels), **kwargs)


def tiny_task(cls, config=SMALL, pad=False, **kwargs):
    """A task of one layer on the committed vocabulary, with seeded random weights."""
    from bert_tf2 import Encoder, Preprocessor, WordPieceTokenizer

    folder = Path(__file__).parents[1] / "reference" / "own_fixture"
    tokenizer = WordPieceTokenizer(folder / "vocab_uncased.txt", lowercase=True)
    config = dataclasses.replace(config, vocab_size=tokenizer.vocabulary_size)
    encoder = Encoder(config)
    task = cls(encoder, Preprocessor(tokenizer, config.max_length, pad_to_max_length=pad), **kwargs)
    arrays = random_weights({name: v.shape for name, v in task.named_variables().items()})
    for name, variable in task.named_variables().items():
        variable.assign(arrays[name])
    return task
