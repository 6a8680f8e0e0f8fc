"""What a SavedModel may be asked: a traced function each, all of one set of weights.

Letters: B rows, L the most pieces of a text.
"""

import tensorflow as tf

from bert_tf2.tasks import answering

SAMPLE = {"prompt_name": "", "candidate_labels": "tea"}  # where a sentence will not do
SENTENCE = "A text to warm up with."


def signatures(task, pairs, model=None):
    """dict of names to concrete functions of a task.

    Args:
        task: a task model.
        pairs: whether its strings come in pairs.
        model: what gives the outputs to ids in the task's place, see `answering.answer`.
    """
    # A function of its own for the model, which loads in as much time as all the rest.
    graph, strings = task.answering(model=answering.part(model or task)), task.string_inputs(pairs)
    ids = {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
        for name, tensor in task.input.items()
    }
    found = {
        "serving_default": graph.get_concrete_function(**strings),
        "token_ids": graph.get_concrete_function(**ids),
        **{n: graph.get_concrete_function(**specs) for n, specs in task.signatures().items()},
        "tokenize": tokenize(task.preprocessor.tokenizer),
    }
    if strings.keys() <= {*task.raw_names}:  # and no column that is not of rows
        found["examples"] = _examples(graph, strings)
    return found


def _examples(graph, strings):
    """The answers to serialized `tf.train.Example`s, whose features are the columns of strings."""
    features = {
        name: tf.io.FixedLenFeature([], tf.string)
        if spec.shape.rank == 1
        else tf.io.RaggedFeature(tf.string)
        for name, spec in strings.items()
    }

    def examples(examples):
        found = tf.io.parse_example(examples, features)
        return graph(**{name: even(name, column) for name, column in found.items()})

    spec = {"examples": tf.TensorSpec([None], tf.string, name="examples")}
    return tf.function(examples, autograph=False).get_concrete_function(**spec)


def even(name, column):
    """A ragged column as a tensor; an error where rows have more of it than others."""
    if not isinstance(column, tf.RaggedTensor):
        return column
    counts = column.row_lengths()
    even = tf.reduce_all(counts == counts[:1])
    said = f"`{name}` must have the same number of values in all examples. Received:"
    with tf.control_dependencies([tf.debugging.Assert(even, [said, counts])]):
        return column.to_tensor()


def tokenize(tokenizer):
    """text (B,) -> the pieces of each, without special tokens, and where they stand.

    `ids` int32, `pieces` string, as the vocabulary has them, `starts` and `ends` int32, characters
    of the text: (B, L) each, behind a text's last piece 0, "", -1 and -1; `lengths` (B,) int32.
    """

    def tokenize(text):
        found = tokenizer.pieces(text)
        pieces = found.ids.with_values(tokenizer.pieces_of(found.ids.values))
        return {
            "ids": found.ids.to_tensor(),
            "pieces": pieces.to_tensor(),
            "starts": found.starts.to_tensor(-1),
            "ends": found.ends.to_tensor(-1),
            "lengths": tf.cast(found.ids.row_lengths(), tf.int32),
        }

    spec = {"text": tf.TensorSpec([None], tf.string, name="text")}
    return tf.function(tokenize, autograph=False).get_concrete_function(**spec)


def samples(task, pairs):
    """{signature: {name: tensor}}: a row that each can be asked, all of the same sentence."""

    def filled(specs):
        return {
            name: tf.fill([1] * spec.shape.rank, SAMPLE.get(name, SENTENCE))
            for name, spec in specs.items()
        }

    strings = filled(task.string_inputs(pairs))
    inputs = task.prepare(strings)[0]
    found = {
        "serving_default": strings,
        "token_ids": {n: x for n, x in inputs.items() if n not in task.marks},
        **{name: filled(specs) for name, specs in task.signatures().items()},
        "tokenize": {"text": tf.constant([SENTENCE])},
    }
    if strings.keys() <= {*task.raw_names}:
        found["examples"] = {"examples": tf.constant([_example(strings)])}
    return found


def _example(columns):
    """A row of string columns as a serialized `tf.train.Example`."""
    features = {
        name: tf.train.Feature(
            bytes_list=tf.train.BytesList(value=tf.reshape(column[0], [-1]).numpy())
        )
        for name, column in columns.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
