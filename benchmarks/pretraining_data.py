"""`python -m benchmarks.pretraining_data`: tokens a second of processor time, of making records.

Ours by every recipe, `reproduce="google"`, and Google's own script as the Model Garden keeps it,
from the folder `--garden`, an unpacked wheel of tf-models-official; one thread, WikiText-2 (valid
and test, from BERT_TF2_ASSETS), rows of 128. And masking on the fly, as `fit` does it.

Each row is a process of its own. What is printed is PRETRAINING_DATA.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

ROUNDS = 3
DUPES = 10, 1
ROWS = {  # what is measured: its arguments
    "Google's script": {"script": True},
    "Google's script, whole words": {"script": True, "whole": True},
    'ours, `reproduce="google"`': {"reproduce": "google"},
    "ours, bert": {},
    "ours, bert, whole words": {"whole": True},
    "ours, albert": {"recipe": "albert"},
    "ours, roberta": {"recipe": "roberta"},
    "ours, electra": {"recipe": "electra"},
    "ours, distilbert": {"recipe": "distilbert"},
}
MASKING = {"pieces": False, "whole words": True}


def _assets():
    given = os.environ.get("BERT_TF2_ASSETS")
    if not given:
        raise SystemExit("BERT_TF2_ASSETS must name the folder of WikiText-2 and the vocabulary")
    texts = [Path(given, "datasets", "wikitext-2", f"{name}.txt") for name in ("valid", "test")]
    return [str(text) for text in texts], str(
        Path(given, "vocab", "bert-base-uncased", "vocab.txt")
    )


def script(folder, garden, dupe, whole=False):
    """Google's script makes records. -> the file, and processor seconds."""
    sys.modules["tf_keras"] = types.ModuleType("tf_keras")  # imported there, and not used
    sys.path.insert(0, garden)
    from absl import flags
    from official.nlp.data import create_pretraining_data as there

    texts, vocabulary = _assets()
    file = f"{folder}/theirs"
    given = {"input_file": ",".join(texts), "output_file": file, "vocab_file": vocabulary}
    given |= {"dupe_factor": dupe, "do_whole_word_mask": whole, "use_v2_feature_names": False}
    flags.FLAGS(["", *(f"--{name}={value}" for name, value in given.items())])
    begun = time.process_time()
    there.main(None)
    return file, time.process_time() - begun


def ours(folder, dupe, recipe="bert", whole=None, reproduce=None):
    """We make records. -> the file, and processor seconds."""
    import tensorflow as tf

    from bert_tf2.data.corpus.making import make_pretraining_data
    from bert_tf2.data.corpus.recipes import Settings
    from bert_tf2.data.corpus.tokenizers import open_tokenizer

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    texts, vocabulary = _assets()
    tokenizer = open_tokenizer(vocabulary)
    tokenizer(["warm"])
    settings = Settings(recipe, dupe_factor=dupe, do_whole_word_mask=whole)
    best = float("inf")
    for i in range(1 if reproduce else ROUNDS):
        begun = time.process_time()
        file = f"{folder}/{i}"
        make_pretraining_data(texts, file, tokenizer, settings, reproduce=reproduce)
        best = min(best, time.process_time() - begun)
    return file, best


def tokens_of(file):
    """How many tokens the rows of a file have."""
    import tensorflow as tf

    dataset = tf.data.TFRecordDataset(file).batch(1024)
    feature = {"input_mask": tf.io.FixedLenFeature([128], tf.int64)}
    found = (tf.reduce_sum(tf.io.parse_example(x, feature)["input_mask"]) for x in dataset)
    return int(sum(found))


def masking(whole):
    """Tokens a second of masking full rows on the fly, as `fit` does."""
    import tensorflow as tf

    from bert_tf2.data import pipeline, pretraining
    from bert_tf2.data.corpus.tokenizers import open_tokenizer

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    texts, vocabulary = _assets()
    tokenizer = open_tokenizer(vocabulary)
    lines = [line for text in texts for line in Path(text).read_text("utf-8").split("\n")]
    rows = pretraining.full_rows(lines, tokenizer, 128).batch(pretraining.ROWS_AT_ONCE).cache()
    how = {"max_predictions": 20, "whole_words": whole}
    masked = pretraining.masked_batches(rows, tokenizer, pipeline.Order(1), 32, **how)
    best = 0
    for _ in range(ROUNDS + 1):  # the first one fills the cache
        begun = time.process_time()
        tokens = sum(int(batch["padding_mask"].numpy().sum()) for batch in masked)
        best = max(best, tokens / (time.process_time() - begun))
    return best


# === Turns ========================================================================================


def one(given):
    """What one process measures, as JSON."""
    if "masking" in given:
        return masking(given["masking"])
    with tempfile.TemporaryDirectory() as folder:
        file, seconds = (script if given.pop("script", False) else ours)(folder, **given)
        return tokens_of(file) / seconds


def asked(given):
    command = [sys.executable, "-m", "benchmarks.pretraining_data", "--one", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--garden", help="an unpacked wheel of tf-models-official")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    how = parser.parse_args()
    if how.one:
        print(json.dumps(one(json.loads(how.one))))
        return
    passes = {dupe: f"{dupe} pass{'es' * (dupe > 1)}" for dupe in DUPES}
    head = "".join(f" M tokens/s, {passes[dupe]} | times Google's |" for dupe in DUPES)
    print(f"| |{head}\n|---|" + "---:|" * 2 * len(DUPES), flush=True)
    first = {}
    for name, given in ROWS.items():
        if "script" in given and not how.garden:
            continue
        given = given | ({"garden": how.garden} if "script" in given else {})
        cells = []
        for dupe in DUPES:
            speed = asked(given | {"dupe": dupe})
            first.setdefault(dupe, speed)
            cells += [f"{speed / 1e6:.2f}", f"{speed / first[dupe]:.1f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("\n| masking in `fit` | M tokens/s |\n|---|---:|")
    for name, whole in MASKING.items():
        print(f"| {name} | {asked({'masking': whole}) / 1e6:.2f} |", flush=True)


if __name__ == "__main__":
    main()
