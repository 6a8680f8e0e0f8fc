"""What any layer of an encoder says of texts, as NumPy arrays, for models of other libraries.

Letters: n texts, L layers that are asked for, P poolings, D width.
"""

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.messages import shorten
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.modeling.sentences import POOLINGS, checked_poolings
from bert_tf2.scoring import vectors
from bert_tf2.tasks import encoding, feeding


def features(task, sentences, layers=-1, pooling="mean", batch_size=32, show_progress_bar=False):
    """Vectors of texts from chosen layers, without prompts and what follows the pooling.

    Args:
        sentences: a list or an array of str, or one str.
        layers: int, or several, whose vectors are joined: places in the encoder's `layer_outputs`,
            of which -1 is the last and 0 the first.
        pooling: "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean" or "lasttoken"; or
            several, whose vectors are joined.
        batch_size: texts at a time.
        show_progress_bar: whether to show how far it is.

    Returns:
        float32 (n, L·P·D), layer by layer in the order given; of one str (L·P·D,).

    Raises:
        ValueError: a layer that is not there, an unknown pooling, or numbers that are not finite.
    """
    if encoding.is_single(sentences):
        return features(task, [sentences], layers, pooling, batch_size)[0]
    layers, pooling = _checked(task, layers), checked_poolings(pooling)
    texts = encoding.texts_of(sentences)
    if len(texts):
        feeding.say_what_is_lost(task, {"text": texts})
    width = len(layers) * len(pooling) * task.encoder.config.hidden_size
    found, graphs = np.empty((int(texts.shape[0]), width), "float32"), feeding.graphs_of(task)
    key = ("features", layers, pooling)
    if key not in graphs:
        graphs[key] = _graph(task, layers, pooling)
    for rows, answers in encoding.longest_first(
        task, {"text": texts}, batch_size, show_progress_bar, graph=graphs[key]
    ):
        found[rows] = answers["features"].numpy()
    return vectors.checked(found, "features") if len(found) else found


def _checked(task, layers):
    """Layers as a tuple; ValueError for one that is not there."""
    given = (layers,) if isinstance(layers, int | np.integer) else tuple(layers)
    count = len(task.encoder.output["layer_outputs"])
    if not given or not all(isinstance(i, int | np.integer) and -count <= i < count for i in given):
        raise ValueError(
            f"`layers` must be ints from {-count} to {count - 1}, of {count} layers. Received: "
            f"{shorten(layers)}"
        )
    return tuple(map(int, given))


def _graph(task, layers, pooling):
    """The graph function of texts (B,) -> `features` (B, L·P·D); layers above are not computed."""
    inputs = input_tensors()
    states = task.encoder.encode(inputs, task.drop_padding)["layer_outputs"]
    mask = inputs["padding_mask"]
    chosen = [keras.ops.cast(states[i], "float32") for i in layers]
    parts = [POOLINGS[name](x, mask) for x in chosen for name in pooling]
    model = task.dressed(keras.Model(inputs, keras.ops.concatenate(parts, -1)))

    def answers(text):
        return {"features": model(task.preprocessor(text))}

    return tf.function(answers, autograph=False)
