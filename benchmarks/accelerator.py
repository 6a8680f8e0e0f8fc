"""`python -m benchmarks.accelerator`: training steps in bfloat16 on a GPU.

Our encoder with a classifier's head, on Keras's JAX backend since TensorFlow has no build for many
GPUs, beside transformers on torch: BERT-base and -large, 128 and 512 tokens, the same weights and
ids. Before the rounds, logits in float32 must agree, and agree again after one step of plain
descent. The contestants take turns; the device's peak is what the quickest of them reaches in large
bfloat16 matrix products between its steps.

`--device cpu` runs a tiny model instead: it shows that everything works, not how fast.
Writes accelerator.json and, from it, ACCELERATOR.md. Where there is no GPU, the table says so.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np

from benchmarks import accelerator_tables, materials, report, works
from benchmarks.accelerator_tables import CONTESTANTS
from benchmarks.contestant import Contestant, Failed
from bert_tf2.weights import write_config

RESULTS = materials.HERE / "accelerator.json"
WORK = materials.WORK / "accelerator"
TOLERANCE = 1e-3  # of float32 logits, as in the other benchmarks
CHECK_RATE = 0.1  # of the step of descent that is compared


class Case(NamedTuple):
    """One table: a row of `SIZES`, and the length of its texts in tokens."""

    model: str
    length: int


SIZES = {
    "bert_base": {},
    "bert_large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "bert_tiny": materials.MODELS["bert_tiny"][1],
}
CASES = {
    "gpu": [Case(m, length) for m in ("bert_base", "bert_large") for length in (128, 512)],
    "cpu": [Case("bert_tiny", 32)],
}
# Device -> tokens a step, steps a round, and the products that tell the peak.
SETTINGS = {
    "gpu": {"tokens": 16384, "steps": 20, "product_size": 8192, "products": 10},
    "cpu": {"tokens": 128, "steps": 2, "product_size": 512, "products": 2},
}


def parse(argv):
    """Flags -> namespace."""
    parser = argparse.ArgumentParser("python -m benchmarks.accelerator", description=__doc__)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, help="a step; a GPU's default is 16384")
    parser.add_argument("--threads", type=int, help="of the processor; a GPU's default is all")
    flags = parser.parse_args(argv)
    flags.threads = flags.threads or (os.cpu_count() if flags.device == "gpu" else 1)
    return flags


def gpu():
    """The name of the first GPU that the driver knows, or None."""
    if not shutil.which("nvidia-smi"):
        return None
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    names = done.stdout.splitlines() if done.returncode == 0 else []
    return names[0].strip() if names else None


def main(argv):
    """Measures what can be measured here, and writes the tables. -> exit code."""
    flags = parse(argv)
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    device = gpu() if flags.device == "gpu" else report.machine()["processor"]
    failed = False
    if device is None:
        print("not measured: no GPU; `--device cpu` checks that the command works")
    else:
        tables = [_case(case, flags) for case in CASES[flags.device]]
        command = shlex.join(["python", "-m", "benchmarks.accelerator", *argv])
        told = {"device": device, "command": command, "date": time.strftime("%Y-%m-%d")}
        results[flags.device] = told | {"rounds": flags.rounds, "tables": tables}
        failed = any("error" in row for table in tables for row in table["rows"].values())
    report.write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    report.write_atomically(
        RESULTS.with_name("ACCELERATOR.md"), accelerator_tables.render(results, CASES["gpu"])
    )
    print(f"Written: {RESULTS.with_name('ACCELERATOR.md')}")
    return int(failed)


# --- Measuring. -----------------------------------------------------------------------------------


def _case(case, flags):
    """One table: what each contestant did, and of what size the work was."""
    question, config = _question(case, flags)
    print(f"{case.model}, {question['rows']} × {case.length} tokens", flush=True)
    rows, alive = {label: {} for label in CONTESTANTS}, {}
    reference = None
    try:
        for label, row in rows.items():
            reference = _prepare(alive, label, row, reference, question)
        for i in range(flags.rounds):
            for label in list(alive)[:: -1 if i % 2 else 1]:  # drift of the machine cancels out
                _measure(alive, label, rows[label])
    finally:
        for contestant in alive.values():
            contestant.close()
    lengths = [case.length] * question["rows"]
    flops = works.flops(config, lengths, training=True)
    return {**case._asdict(), "texts": len(lengths), "flops": flops, "rows": rows}


def _question(case, flags):
    """-> (what all contestants are told, the model's config)."""
    from bert_tf2.config import EncoderConfig

    settings = SETTINGS[flags.device]
    config = EncoderConfig(**materials.SIZES | SIZES[case.model])
    count = max(1, (flags.tokens or settings["tokens"]) // case.length)
    question = {
        "kind": "step",
        "device": flags.device,
        "threads": flags.threads,
        "config": config.to_dict(),
        "rows": count,
        "batch": _batch(count, case.length),
        "check_batch": _batch(4, 24, [24, 17, 9, 3]),
        "check_rate": CHECK_RATE,
        **settings,
    }
    return question | _weights(case.model, config), config


def _weights(model, config):
    """Paths of the same random weights under our names and as a Hugging Face folder."""
    from safetensors.numpy import save_file

    from bert_tf2 import weights

    folder = WORK / model
    if not folder.is_dir():
        generator = np.random.default_rng(materials.SEED)
        shapes = weights.expected_shapes(config, ("classifier",), labels=2)
        arrays = {
            name: (0.02 * generator.standard_normal(shape, "float32") + name.endswith("gamma"))
            for name, shape in shapes.items()
        }
        with materials.complete(folder) as partial:
            partial.mkdir()
            np.savez(partial / "ours.npz", **arrays)
            stored = weights.to_format(arrays, config, "huggingface")
            save_file(stored, partial / "model.safetensors", metadata={"format": "pt"})
            (partial / "config.json").write_text(json.dumps(write_config(config, "huggingface")))
    return {"ours": str(folder / "ours.npz"), "huggingface": str(folder)}


def _batch(count, length, lengths=None):
    """Path of random ids and labels; `lengths` are the real tokens of each row, default all."""
    generator = np.random.default_rng(materials.SEED)
    mask = np.arange(length) < np.array(lengths or [length] * count)[:, None]
    path = WORK / "batches" / f"{count}x{length}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        token_ids=generator.integers(1000, 30000, (count, length), "int32") * mask,
        segment_ids=np.zeros((count, length), "int32"),
        padding_mask=mask.astype("int32"),
        labels=np.arange(count, dtype="int32") % 2,
    )
    return str(path)


def _environment(device):
    """What the contestants' processes see of the accelerator, over what `Contestant` gives them."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "0") if device == "gpu" else "-1"
    return {
        "CUDA_VISIBLE_DEVICES": seen,
        "JAX_PLATFORMS": "cuda" if device == "gpu" else "cpu",
        "KERAS_BACKEND": "jax",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the others need memory, too
    }


def _prepare(alive, label, row, reference, question):
    """Starts one and compares its logits. -> the first one's; who differs is out."""
    try:
        words = _environment(question["device"])
        alive[label] = Contestant(label, question["threads"], **words)
        file = str(WORK / f"check_{label.replace(':', '_')}.npy")
        variant = label.partition(":")[2]
        answer = alive[label].ask(do="prepare", check_file=file, variant=variant, **question)
        row["versions"] = answer["versions"]
        logits = np.load(answer["check"])
        reference = logits if reference is None else reference
        row |= compare(logits, reference)
        print(f"  {label}: ready, {row['difference']:.0e} from ours", flush=True)
    except (RuntimeError, OSError, ValueError) as error:
        _out(alive, label, row, error)
    return reference


def compare(logits, reference):
    """How far two contestants' logits (3, B, 2) lie apart: dict of largest absolute differences.

    The three are float32, float32 after a step, and bfloat16.

    Raises:
        Failed: the float32 ones disagree, or the step did not change them enough to tell.
    """
    apart = np.abs(logits - reference).max((1, 2)).tolist()
    moved = float(np.abs(logits[1] - logits[0]).max())
    if not max(apart[:2]) <= TOLERANCE:
        raise Failed(f"outputs differ by {apart[0]:.1e}, and by {apart[1]:.1e} after a step")
    if moved < 10 * TOLERANCE:
        raise Failed(f"the step that is compared moves the logits by {moved:.1e} only")
    return {"difference": max(apart[:2]), "bfloat16 difference": apart[2], "moved": moved}


def _measure(alive, label, row):
    try:
        answer = alive[label].ask(do="round")
    except Failed as error:
        _out(alive, label, row, error)
        return
    for name in ("step", "product"):
        row.setdefault(name, []).append(answer[name])
    row["device_peak"] = answer["device_peak"]
    print(f"  {label}: {answer['step'] * 1e3:.1f} ms a step", flush=True)


def _out(alive, label, row, error):
    row["error"] = str(error).replace(f"{materials.HERE.parent}/", "")
    print(f"  out: {label}: {row['error']}", flush=True)
    if label in alive:
        alive.pop(label).close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
