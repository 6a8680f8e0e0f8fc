"""`python -m benchmarks.startup`: seconds until a fresh process first answers and first trains.

Each model has a process of its own, with random weights and a made-up vocabulary, so nothing is
downloaded. Most of a first call is TensorFlow tracing a graph; a second one has it already. Aims,
on an idle core: the first answer of BERT-base in 1.5 s, the first step of MiniLM in 3 s, a second
`fit` in 0.5 s beyond its steps, one text in 0.015 s.

Then the same of SavedModels, in processes that know TensorFlow alone and ask `serving_default` for
one raw string. Aim: the first answer in a second beyond imports.
"""

import argparse
import itertools
import json
import os
import string
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import materials

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
MODELS = {"BERT-base": materials.SIZES, "MiniLM": materials.SIZES | MINILM}
TEXTS = ["how do I change my plan", "the app is down again", "cancel it, please", "thanks"] * 8
LABELS = [0, 1, 2, 1] * 8
COLUMNS = ("import", "build", "answer", "next answer", "one text", "fit", "next fit")
PRECISIONS = ("float32", "bfloat16", "int8")
SERVED = ("import", "load", "answer", "load + answer", "CPU of these", "next answer")


class Laps:
    """Seconds from one `lap` to the next."""

    def __init__(self):
        self.seconds, self.start = [], time.perf_counter()

    def lap(self):
        now = time.perf_counter()
        self.seconds.append(now - self.start)
        self.start = now


def pieces():
    """As many pieces as BERT has, those of TEXTS among them."""
    words = sorted({word.strip(",") for text in TEXTS for word in text.lower().split()})
    letters = ("".join(x) for x in itertools.product(string.ascii_lowercase, repeat=4))
    others = (f"##{x}" if i % 4 == 0 else x for i, x in enumerate(letters) if x not in words)
    found = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    return [*found, *itertools.islice(others, materials.SIZES["vocab_size"] - len(found))]


def made(model):
    """A task of that size."""
    import bert_tf2
    from bert_tf2.config import EncoderConfig

    tokenizer = bert_tf2.WordPieceTokenizer(pieces())
    encoder = bert_tf2.Encoder(EncoderConfig(**MODELS[model]))
    preprocessor = bert_tf2.Preprocessor(tokenizer, 128)
    return bert_tf2.TextClassifier(encoder, preprocessor, labels=["plan", "down", "other"])


def measured(model):
    """Seconds of each of COLUMNS, in this process."""
    laps = Laps()
    import bert_tf2  # noqa: F401  what it takes to import it

    laps.lap()
    task = made(model)
    laps.lap()
    for call in (
        lambda: task.predict(TEXTS[:1], verbose=0),
        lambda: task.predict(TEXTS[1:2], verbose=0),
        lambda: task.predict_labels(TEXTS[2:3]),
        lambda: task.fit(TEXTS, LABELS, batch_size=32, epochs=1, verbose=0),
        lambda: task.fit(TEXTS, LABELS, batch_size=32, epochs=1, verbose=0),
    ):
        call()
        laps.lap()
        if len(laps.seconds) == COLUMNS.index("one text"):  # another graph: not its first call
            task.predict_labels(TEXTS[3:4])
            laps.start = time.perf_counter()
    return laps.seconds


def write(model, folder):
    """Exports a model in every precision."""
    import bert_tf2

    for precision in PRECISIONS:
        bert_tf2.export_saved_model(made(model), f"{folder}/{precision}/1", precision=precision)


def served(folder):
    """Seconds of each of SERVED, in this process."""
    laps = Laps()
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  its operations are in the graph

    laps.lap()
    used = [time.process_time()]
    loaded = tf.saved_model.load(folder)  # which alone holds the variables
    laps.lap()
    for text in TEXTS[:2]:
        found = loaded.signatures["serving_default"](text=tf.constant([text]))
        found["probabilities"].numpy()
        laps.lap()
        used.append(time.process_time())
    imported, load, first, second = laps.seconds
    return [imported, load, first, load + first, used[1] - used[0], second]


def elsewhere(*arguments):
    """What a process of its own prints last."""
    command = [sys.executable, "-m", "benchmarks.startup", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def show(name, cells):
    print(f"{name:20}" + "".join(f"{x:>14}" if isinstance(x, str) else f"{x:14.3f}" for x in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, help=argparse.SUPPRESS)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    parser.add_argument("--served", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.served or flags.model:
        own = served(flags.served) if flags.served else None
        own = own or (write(flags.model, flags.write) if flags.write else measured(flags.model))
        print(json.dumps(own))
        return
    show("seconds", COLUMNS)
    for model in MODELS:
        show(model, elsewhere("--model", model))
    show("of SavedModels", SERVED)
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            elsewhere("--model", model, "--write", folder)
            for precision in PRECISIONS:
                show(f"{model}, {precision}", elsewhere("--served", f"{folder}/{precision}/1"))


if __name__ == "__main__":
    main()
