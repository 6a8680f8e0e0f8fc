"""`python -m benchmarks.startup`: seconds until a fresh process first answers and first trains.

Each model has a process of its own, with random weights and a small vocabulary, so nothing is
downloaded. Most of a first call is TensorFlow tracing a graph; a second one has it already. Aims,
on an idle core: the first answer of BERT-base in 1.5 s, the first step of MiniLM in 3 s, a second
`fit` in 0.5 s beyond its steps, one text in 0.015 s.
"""

import argparse
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import materials

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
MODELS = {"BERT-base": materials.SIZES, "MiniLM": materials.SIZES | MINILM}
TEXTS = ["how do I change my plan", "the app is down again", "cancel it, please", "thanks"] * 8
LABELS = [0, 1, 2, 1] * 8
COLUMNS = ("import", "build", "answer", "next answer", "one text", "fit", "next fit")


def measured(model):
    """Seconds of each of COLUMNS, in this process."""
    seconds, start = [], time.perf_counter()

    def lap():
        nonlocal start
        now = time.perf_counter()
        seconds.append(now - start)
        start = now

    import bert_tf2
    from bert_tf2.config import EncoderConfig

    lap()
    words = sorted({word.strip(",") for text in TEXTS for word in text.lower().split()})
    tokenizer = bert_tf2.WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    encoder = bert_tf2.Encoder(EncoderConfig(**MODELS[model]))
    preprocessor = bert_tf2.Preprocessor(tokenizer, 128)
    task = bert_tf2.TextClassifier(encoder, preprocessor, labels=["plan", "down", "other"])
    lap()
    for call in (
        lambda: task.predict(TEXTS[:1], verbose=0),
        lambda: task.predict(TEXTS[1:2], verbose=0),
        lambda: task.predict_labels(TEXTS[2:3]),
        lambda: task.fit(TEXTS, LABELS, batch_size=32, epochs=1, verbose=0),
        lambda: task.fit(TEXTS, LABELS, batch_size=32, epochs=1, verbose=0),
    ):
        call()
        lap()
        if len(seconds) == COLUMNS.index("one text"):  # its graph is another: not the first call
            task.predict_labels(TEXTS[3:4])
            start = time.perf_counter()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, help=argparse.SUPPRESS)
    if model := parser.parse_args().model:
        print(json.dumps(measured(model)))
        return
    print(f"{'seconds':12}" + "".join(f"{column:>13}" for column in COLUMNS))
    for model in MODELS:
        command = [sys.executable, "-m", "benchmarks.startup", "--model", model]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        values = json.loads(done.stdout.splitlines()[-1])
        print(f"{model:12}" + "".join(f"{value:13.3f}" for value in values))


if __name__ == "__main__":
    main()
