"""Made-up corpora, as text and as pieces, and the rows of TFRecord files."""

import random

import numpy as np
import tensorflow as tf

from bert_tf2.data.corpus.example_bytes import FEATURES
from bert_tf2.data.corpus.plans import Pieces

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", *(f"##{c}" for c in "klmn")]


def sentences(seed, documents, longest=9):
    """lists of sentences of one to `longest` words, some of which have two or three pieces."""
    rng = random.Random(seed)

    def sentence():
        words = (rng.choice("abcdefghij") for _ in range(rng.randint(1, longest)))
        return " ".join(
            word + "".join(rng.choices("klmn", k=rng.choice([0, 0, 1, 2]))) for word in words
        )

    return [[sentence() for _ in range(rng.randint(1, 12))] for _ in range(documents)]


def as_text(documents):
    return "\n\n".join("\n".join(document) for document in documents) + "\n"


def pieces_of(documents, tokenizer):
    """`Pieces` of documents, without the code that tests are of."""
    found = [tokenizer(document).to_list() for document in documents]
    flat = [ids for document in found for ids in document]
    starts = np.cumsum([0, *map(len, flat)]).tolist()
    ends = np.cumsum([0, *map(len, found)]).tolist()
    return Pieces(np.concatenate(flat).astype(np.int32), starts, ends, 1, 3)


def records(*files):
    """The rows of TFRecord files: lists of dicts of lists, by our names."""
    ours = {theirs: name for name, theirs in FEATURES.items()}
    found = []
    for record in tf.data.TFRecordDataset([str(file) for file in files]).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        found.append(
            {
                ours[name]: list(value.int64_list.value or value.float_list.value)
                for name, value in features.items()
            }
        )
    return found
