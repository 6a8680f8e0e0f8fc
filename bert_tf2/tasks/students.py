"""Students: smaller models that begin from a teacher, or from nothing.

Letters: B rows, L length, E numbers of a word, C outputs.
"""

import keras

from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.modeling.thinned import thinned


def student_of(teacher, layers=None, bare=None):
    """A task of the teacher's kind with some of its layers, and its head.

    Args:
        teacher: a task; its active adapter is merged into what the student begins with.
        layers: how many, evenly spread with the first and the last (6 of 12: 0, 2, 4, 7, 9, 11, as
            DistilBERT); or a list of their numbers. Default: half of them.
        bare: leave out pooler and segments (see `modeling.thinned`). Default: for a `MaskedLM`, as
            DistilBERT has it.

    Returns:
        a new task; the teacher stays as it is.

    Raises:
        ValueError: numbers of layers that are not there, or a bottleneck, which cannot be merged.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> bert_tf2.student_of(clf, layers=2).encoder.config.num_hidden_layers
        2
    """
    if teacher.active_adapter is not None:
        teacher = teacher.merge_and_unload()
    bare = teacher.head_kind == "masked_lm" if bare is None else bare
    settings = {name: getattr(teacher, name) for name in teacher.settings}
    encoder = thinned(teacher.encoder, layers, bare)
    made = type(teacher)(
        encoder, teacher.preprocessor, **settings, drop_padding=teacher.drop_padding
    )
    source, inner = teacher.named_variables(), encoder.named_variables()
    for name, variable in made.named_variables().items():
        known = source.get(name)
        if name not in inner and known is not None and known.shape == variable.shape:
            variable.assign(known)
    made.takes_pairs = teacher.takes_pairs
    return made


def bilstm_of(teacher, width=256, embedding=128, dropout=0.1):
    """A student without an encoder: words, an LSTM in both directions, one dense layer.

    Tang et al. 2019, "Distilling task-specific knowledge from BERT into simple neural networks". It
    reads the teacher's ids, so the teacher's preprocessor makes its inputs.

    Args:
        teacher: a task with one vector of outputs a text, (B, C).
        width: of the LSTM, in each direction. embedding: E. dropout: before the dense layer.

    Returns:
        a `keras.Model` from int32 ids (B, L) to (B, C).

    Raises:
        ValueError: a teacher of another kind.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> student = bert_tf2.bilstm_of(clf, width=64)
        >>> bert_tf2.Distiller(student, clf, hard=0).fit(texts)
    """
    if len(teacher.output.shape) != 2:
        raise ValueError(
            "A BiLSTM answers with one vector a text: a teacher of tokens or words cannot teach "
            f"it. Received: a {type(teacher).__name__}"
        )
    inputs = input_tensors()
    config = teacher.encoder.config
    words = keras.layers.Embedding(config.vocab_size, embedding, name="words")(inputs["token_ids"])
    mask = keras.ops.cast(inputs["padding_mask"], "bool")
    both = keras.layers.Bidirectional(keras.layers.LSTM(width, name="lstm"), name="both")
    text = keras.layers.Dropout(dropout, name="dropout")(both(words, mask=mask))
    outputs = keras.layers.Dense(teacher.output.shape[-1], name="answers")(text)
    return keras.Model(inputs, outputs, name="bilstm")
