"""`python -m benchmarks.offsets`: tokens a second of processor time, with offsets and without.

One thread, WordPiece, the training texts of SST-2 in batches; beside the `tokenizers` package, the
fast tokenizer of transformers, where it is installed.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

from benchmarks import materials

TEXTS, ROUNDS = 20_000, 3
BATCHES = 32, 1024


def ours(vocabulary):
    """Yields what is measured, and the function of a batch of texts to the tokens it has."""
    import tensorflow as tf

    import bert_tf2

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tokenizer = bert_tf2.WordPieceTokenizer(vocabulary)
    signature = [tf.TensorSpec([None], tf.string)]
    for name, function in (("ids", tokenizer), ("offsets", tokenizer.pieces)):
        function = tf.function(function, input_signature=signature)
        yield (
            f"ours, {name}",
            lambda texts, f=function: tf.nest.flatten(f(texts))[0].values.shape[0],
        )


def theirs(vocabulary):
    """The same of the `tokenizers` package, which has no way without offsets."""
    try:
        from tokenizers import BertWordPieceTokenizer
    except ImportError:
        return
    tokenizer = BertWordPieceTokenizer(vocabulary)

    def count(texts):
        found = tokenizer.encode_batch(texts, add_special_tokens=False)
        return sum(len(row.ids) for row in found if row.offsets is not None)

    yield "tokenizers", count


def speed(count, batches):
    """Tokens a second, the best of some rounds."""
    count(batches[0])  # traces
    best = 0
    for _ in range(ROUNDS):
        start = time.process_time()
        tokens = sum(map(count, batches))
        best = max(best, tokens / (time.process_time() - start))
    return best


def main():
    texts, _, source = materials.texts("sst2_train")
    texts = texts[:TEXTS]
    vocabulary = str(materials.vocabulary())
    print(f"{len(texts)} texts, {source}; millions of tokens a second")
    print(f"{'texts a batch':16}" + "".join(f"{size:>8}" for size in BATCHES))
    for name, count in (*ours(vocabulary), *theirs(vocabulary)):
        values = []
        for size in BATCHES:
            batches = [texts[i : i + size] for i in range(0, len(texts), size)]
            values.append(speed(count, batches) / 1e6)
        print(f"{name:16}" + "".join(f"{value:8.2f}" for value in values))


if __name__ == "__main__":
    main()
