"""`python -m benchmarks.precision`: what fewer bits cost in accuracy, and save in size.

Fine-tunes all-MiniLM-L6-v2 on SST-2, in float32 and in mixed_bfloat16 with several seeds, exports
the first float32 one in every precision, and has each SavedModel answer the dev set from raw
strings in a process of its own. `--model` takes a checkpoint that is fine-tuned already. The files
of SST-2 are found in `BERT_TF2_ASSETS` unless they are given. Writes PRECISION.md.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import contestant, materials, report
from benchmarks.workers import protocol

BATCH = 32


def parse(argv):
    """Flags -> namespace. Stops where a file that is needed is not known."""
    glue = materials.glue_folder()
    train, dev = (glue and glue / "SST-2" / f"{split}.tsv" for split in ("train", "dev"))
    parser = argparse.ArgumentParser("python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--model", help="a fine-tuned checkpoint with the labels 0 and 1")
    parser.add_argument("--train_file", type=Path, default=train, help="SST-2's train.tsv")
    parser.add_argument("--dev_file", type=Path, default=dev, help="SST-2's dev.tsv")
    parser.add_argument("--rows", type=int, default=6400, help="of the training file")
    parser.add_argument("--seeds", type=int, default=3, help="how many runs in each precision")
    parser.add_argument("--threads", type=int, default=1, help="of the serving process")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    flags = parser.parse_args(argv)
    for name in ["dev_file"] if flags.model or flags.serve else ["train_file", "dev_file"]:
        file = getattr(flags, name)
        if file is None or not file.is_file():
            parser.error(
                f"--{name}: expected a file of SST-2; received: {file}. Give one, or set "
                "BERT_TF2_ASSETS to a folder that holds datasets/glue/SST-2."
            )
    return flags


def told(argv):
    """-> the command, for the table: files by their names, not by where they lie."""
    words = []
    for word in argv:
        flag, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        words.append(flag + equals + (Path(value).name or value))
    return shlex.join(["python", "-m", "benchmarks.precision", *words])


def train(flags, policy, seed):
    """-> all-MiniLM-L6-v2, fine-tuned for one epoch."""
    import keras

    import bert_tf2
    from bert_tf2.data.examples import read_examples

    keras.utils.set_random_seed(seed)
    rows = read_examples(flags.train_file, "sentence", None, "label")
    model = bert_tf2.TextClassifier.from_preset(
        materials.minilm_folder(), labels=["0", "1"], max_length=128, dtype=policy, pooling="mean"
    )
    model.compile({"learning_rate": 1e-4})
    model.fit(rows.texts[: flags.rows], rows.labels[: flags.rows], epochs=1, verbose=2)
    return model


def serve(folder, dev_file, threads):
    """Runs in a process of its own, on `threads` processors. Prints what it measured as JSON."""
    protocol.pin(threads)
    from bert_tf2.data.examples import read_examples

    rows = read_examples(dev_file, "sentence", None, "label")
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the operations of the tokenizer

    model = tf.saved_model.load(folder)
    answer = model.signatures["serving_default"]
    clock = protocol.Clock()
    answer(text=tf.constant(rows.texts[:1]))
    first = clock.read()["wall"]
    right, clock = 0, protocol.Clock()
    for start in range(0, len(rows), BATCH):
        labels = answer(text=tf.constant(rows.texts[start : start + BATCH]))["label"].numpy()
        right += sum(
            label.decode() == want
            for label, want in zip(labels, rows.labels[start : start + BATCH], strict=True)
        )
    measured = {"right": right, "rows": len(rows), "first": first, "peak": protocol.peak_gib()}
    print(json.dumps(measured | {"cpu": clock.read()["cpu"]}))


def measure(model, precision, flags):
    """Exports a model and asks it elsewhere. -> a row of the table."""
    from bert_tf2 import export_saved_model

    with tempfile.TemporaryDirectory() as place:
        folder = export_saved_model(model, Path(place, "model"), precision=precision)
        size = sum(x.stat().st_size for x in folder.rglob("*") if x.is_file())
        command = [sys.executable, "-m", "benchmarks.precision", "--serve", folder]
        command += ["--dev_file", flags.dev_file.absolute(), "--threads", str(flags.threads)]
        done = subprocess.run(
            command,
            env=contestant.environment(flags.threads),
            cwd=contestant.ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(done.stdout.splitlines()[-1]) | {"size": size}


def main(argv):
    """Measures and writes the table. -> exit code."""
    flags = parse(argv)
    if flags.serve:
        serve(flags.serve, flags.dev_file, flags.threads)
        return 0
    versions = protocol.versions("tensorflow", "keras")
    lines = ["# What fewer bits cost", ""]
    lines += [f"all-MiniLM-L6-v2 on SST-2; `{told(argv)}`; {report.where_and_when(versions)}.", ""]
    if flags.model:
        import bert_tf2

        model = bert_tf2.TextClassifier.from_preset(flags.model, labels=["0", "1"], max_length=128)
    else:
        model, training = _trained(flags)
        lines += training
    lines += _serving(model, flags)
    report.write_atomically(materials.HERE / "PRECISION.md", "\n".join([*lines, ""]))
    return 0


def _trained(flags):
    """-> (the float32 model, lines of a table about training in both)."""
    from bert_tf2.data.examples import read_examples

    dev = read_examples(flags.dev_file, "sentence", None, "label")
    seeds = range(1, flags.seeds + 1)
    names = " | ".join(f"seed {seed}" for seed in seeds)
    lines = [
        f"## Training: dev accuracy after {flags.rows} texts",
        "",
        f"| policy | {names} | mean |",
        f"| --- |{' --- |' * (flags.seeds + 1)}",
    ]
    first = None
    for policy in ("float32", "mixed_bfloat16"):
        found = []
        for seed in seeds:
            model = train(flags, policy, seed)
            first = first or model
            logs = model.evaluate(dev.texts, dev.labels, return_dict=True, verbose=0)
            found.append(logs["accuracy"])
        cells = " | ".join(f"{accuracy:.4f}" for accuracy in [*found, sum(found) / len(found)])
        lines.append(f"| {policy} | {cells} |")
        print(lines[-1], flush=True)
    return first, [*lines, ""]


def _serving(model, flags):
    """-> lines of a table about the SavedModels of all precisions."""
    lines = [
        "## Serving: raw strings through the SavedModel",
        "",
        "| precision | right of the dev set | accuracy | MB | first call s | CPU s | peak GiB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for precision in ("float32", "bfloat16", "int8"):
        row = measure(model, precision, flags)
        lines.append(
            f"| {precision} | {row['right']} of {row['rows']} | {row['right'] / row['rows']:.4f} "
            f"| {row['size'] / 1e6:.0f} | {row['first']:.2f} | {row['cpu']:.1f} "
            f"| {row['peak']:.2f} |"
        )
        print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
