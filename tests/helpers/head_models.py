"""An encoder with each kind of head: of ours, by name of kind; and what NumPy says it computes."""

import keras
import numpy as np
import oracle

from bert_tf2.modeling import heads
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.weights import names, units

COUNT = 3  # classes
NEED_POOLER = ("next_sentence", "sentence_order")


def kinds_of(config):
    """The kinds of logits that a family may have, but for words of the vocabulary."""
    second = {"bert": "next_sentence", "albert": "sentence_order"}.get(config.family)
    return ["classes", "tokens", "spans", "choice", *([second] if second and config.pooler else [])]


def model_of(encoder, kind, count=COUNT, dropout=0.1):
    """-> a Keras model of the logits, and all its weights by our names."""
    inputs, config = input_tensors(), encoder.config
    if kind == "classes":
        pooled = heads.pool_first(encoder, inputs, dropout=dropout)
        outputs = heads.classes(pooled, config, count, dropout)
    elif kind == "choice":
        outputs = heads.choices(heads.pool_choice(encoder, inputs), config, dropout)
    elif kind in NEED_POOLER:
        pooled = encoder.encode(inputs)["pooled_output"]
        outputs = heads.next_sentence(pooled, config, *units.HEADS[kind])
    else:
        states = encoder.encode(inputs)["sequence_output"]
        outputs = heads.spans(states, config)
        if kind == "tokens":
            outputs = heads.token_classes(states, config, count, dropout)
    model, inner = keras.Model(inputs, outputs), {id(v) for v in encoder.variables}
    own = {v.path: v for v in model.variables if id(v) not in inner and not units.is_state(v.path)}
    return model, encoder.named_variables() | own


def shapes_of(config, kind, count=COUNT):
    """Our name -> shape of all that such a model has."""
    shapes = names.expected_shapes(config, units.HEADS[kind], count)
    if kind == "classes" and config.classifier_act is None:
        return {n: s for n, s in shapes.items() if not n.startswith("pre_classifier/")}
    return shapes


def logits_of(config, weights, inputs, kind):
    """The same in NumPy float64."""
    if kind == "classes":
        return oracle.classifier_logits(config, weights, inputs)
    w = {name: np.asarray(value, "float64") for name, value in weights.items()}
    found, head = oracle.forward(config, weights, inputs), units.HEADS[kind][-1]
    x = found["layer_outputs"][-1]  # (B, L, D)
    if kind in NEED_POOLER or (kind == "choice" and config.pooler):
        x = found["pooled_output"]
    elif kind == "choice":
        act = {"distilbert": "relu", "electra": "gelu_erf", "electra_generator": "gelu_erf"}
        x = found["first_output"] @ w["pre_choice/kernel"] + w["pre_choice/bias"]
        x = oracle.ACTIVATIONS[act.get(config.family, "tanh")](x)
    return x @ w[f"{head}/kernel"] + w[f"{head}/bias"]
