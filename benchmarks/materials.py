"""The same weights and the same texts for everyone, made once under `.work/`.

Weights are random, from a seed: a checkpoint in Google's format for us, and its twin in Hugging
Face's for the others. Only all-MiniLM-L6-v2 is a real model.
"""

import contextlib
import os
import shutil
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WORK = HERE / ".work"
ASSETS = os.environ.get("BERT_TF2_ASSETS")  # a folder with datasets/glue/, or None
SEED = 20240607
CHECK_LENGTHS = (24, 17, 9, 3)

# Name -> texts, how many, and their mean length in tokens; None texts: no padding, random ids.
BATCHES = {
    "sst2_16": ("sst2", 16, 29),
    "mnli_16": ("pairs", 16, 58),
    "one_32": ("sst2", 1, 32),
    "full_16x128": (None, 16, 128),
    "full_8x128": (None, 8, 128),
    "full_32x128": (None, 32, 128),
    "full_8x384": (None, 8, 384),
}

SIZES = {
    "vocab_size": 30522,  # BERT's also for ALBERT, so that all families read the same ids
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
MODELS = {  # name -> family, and what differs from the sizes above
    "bert_base": ("bert", {}),
    "bert_tiny": (
        "bert",
        {
            "hidden_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 512,
        },
    ),
    "albert_base": ("albert", {"embedding_size": 128, "num_hidden_groups": 1}),
    "distilbert": ("distilbert", {"num_hidden_layers": 6}),
}


def config(model):
    """The `EncoderConfig` of a model of the table."""
    from bert_tf2.config import FAMILIES, EncoderConfig
    from bert_tf2.weights import read_config

    if model == "minilm":
        return read_config(Path(minilm_folder()) / "config.json")
    family, changes = MODELS[model]
    return EncoderConfig(family=family, **FAMILIES[family] | SIZES | changes)


def minilm_folder():
    """The folder of all-MiniLM-L6-v2, downloaded if it is not there."""
    from bert_tf2 import weights

    return str(weights.resolve("all-MiniLM-L6-v2"))


def vocabulary():
    """Path of bert-base-uncased's vocabulary: MiniLM's is the same."""
    return str(Path(minilm_folder()) / "vocab.txt")


def model_paths(model):
    """dict of the `family` and the folders of a model's checkpoints, written at the first call."""
    if model == "minilm":
        folder = minilm_folder()
        return {"family": "bert", "google": folder, "huggingface": folder}
    folder, sizes = WORK / model, config(model)
    if not folder.is_dir():
        print(f"Writing random weights of {model} …", flush=True)
        with complete(folder) as partial:
            _write_twins(partial, sizes)
    ours = "google" if (folder / "google").is_dir() else "huggingface"
    return {
        "family": sizes.family,
        "google": str(folder / ours),
        "huggingface": str(folder / "huggingface"),
    }


@contextlib.contextmanager
def complete(path):
    """For a file or folder that is there only when it is whole: what was interrupted is redone.

    Args:
        path: pathlib.Path of what will be written; there must be nothing yet.

    Yields:
        pathlib.Path of the same name in an empty folder, where to write it. When the block ends
        well it becomes `path`; what was written beside it (ONNX may) then lies beside `path`.

    Raises:
        RuntimeError: nothing was written.
    """
    folder = path.with_name(f".{path.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    partial = folder / path.name
    yield partial
    if not partial.exists():
        raise RuntimeError(f"{path.name} was not written")
    beside = [file for file in folder.iterdir() if file != partial]
    for written in (*beside, partial):  # its own name last: it says that all is there
        os.replace(written, path.with_name(written.name))
    folder.rmdir()


def _write_twins(folder, sizes):
    from bert_tf2 import weights
    from bert_tf2.weights import names

    arrays = _random_arrays(weights.expected_shapes(sizes, ("classifier", "span"), labels=2))
    source = weights.TokenizerSource({"vocab.txt": Path(vocabulary())}, {"lowercase": True})
    contents = weights.Contents(sizes, arrays, source.in_memory())
    for format in ("google", "huggingface"):
        if (sizes.family, format) in names.NAMES:
            weights.save(folder / format, contents, format)


def _random_arrays(shapes):
    """Normal with deviation 0.02; a norm's gamma around 1."""
    generator = np.random.default_rng(SEED)
    return {
        name: (0.02 * generator.standard_normal(shape) + name.endswith("gamma")).astype("float32")
        for name, shape in shapes.items()
    }


# --- Texts ----------------------------------------------------------------------------------------


def glue_folder():
    """pathlib.Path of the GLUE files in `BERT_TF2_ASSETS`, or None where they are not."""
    if not ASSETS:
        return None
    folder = Path(ASSETS, "datasets", "glue")
    return folder if folder.is_dir() else None


def texts(name):
    """-> (texts or a tuple of two lists, labels, where they come from).

    "sst2" are the sentences of SST-2's dev set, "sst2_train" its training set, "pairs" the pairs
    of MRPC and RTE. Without GLUE's files all three are the bundled support requests.
    """
    from bert_tf2.data.examples import read_examples, support_requests

    glue = glue_folder()
    if glue is None:
        rows = support_requests("train")
        halves = rows.texts[::2], rows.texts[1::2]
        bundled = "the bundled support requests, as the GLUE files are not here"
        labels = [i % 2 for i in range(len(rows))]
        return (halves if name == "pairs" else rows.texts), labels, bundled
    if name == "pairs":
        mrpc = read_examples(glue / "MRPC" / "train.tsv", "#1 String", "#2 String", "Quality")
        rte = read_examples(glue / "RTE" / "train.tsv", "sentence1", "sentence2", "label")
        sides = mrpc.texts + rte.texts, mrpc.pairs + rte.pairs
        return sides, [0] * len(sides[0]), "pairs of MRPC and RTE (MNLI itself is not here)"
    split = {"sst2": "dev", "sst2_train": "train"}[name]
    rows = read_examples(glue / "SST-2" / f"{split}.tsv", "sentence", None, "label")
    return rows.texts, [int(label) for label in rows.labels], f"SST-2, {split} set"


def encode(sides, max_length=128):
    """Texts -> dict of int32 (B, L), by our tokenizer; cut at 128 tokens, as for fine-tuning."""
    import bert_tf2

    tokenizer = bert_tf2.WordPieceTokenizer(vocabulary(), lowercase=True)
    packed = bert_tf2.Preprocessor(tokenizer, max_length=max_length)(sides)
    return {name: tensor.numpy() for name, tensor in packed.items()}


def typical(lengths, size, mean):
    """Which texts make a batch as a shuffled epoch has them, but with a given mean length.

    Of many random batches those are taken whose mean is nearest to `mean`, and of these the one
    whose longest text is their median: what padding costs is then typical, too.

    Returns:
        (size,) indices into `lengths`.
    """
    generator = np.random.default_rng(SEED)
    draws = generator.permuted(np.tile(np.arange(len(lengths)), (2000, 1)), axis=1)[:, :size]
    off = np.abs(lengths[draws].mean(1) - mean)
    near = draws[np.argsort(off, kind="stable")[:21]]
    return near[np.argsort(lengths[near].max(1), kind="stable")[10]]


def grouped(lengths, total, size):
    """`size` texts of almost the same length, `total` tokens together (to within a few)."""
    order = np.argsort(lengths, kind="stable")
    sums = np.convolve(lengths[order], np.ones(size, int), "valid")
    start = int(np.abs(sums - total).argmin())
    return order[start : start + size]


def batch(name):
    """Writes a batch of `BATCHES`.

    Returns:
        dict of the `batch` file and, for real texts, the `grouped_batch`, each with `token_ids`,
        `segment_ids`, `padding_mask` (B, L) and `labels` (B,) or, for 384 tokens, spans (B, 2);
        `lengths` of the texts; `source`; and `text`, the first of them.
    """
    source, size, mean = BATCHES[name]
    if source is None:
        arrays = _full(size, mean)
        return _save(name, arrays) | {"source": f"random ids, {size} × {mean}, no padding"}
    sides, _, origin = texts(source)
    columns = sides if isinstance(sides, tuple) else (sides,)
    lengths = encode(sides)["padding_mask"].sum(1)

    def pick(rows):
        chosen = tuple([column[i] for i in rows] for column in columns)
        labels = np.arange(size, dtype="int32") % 2
        return chosen, encode(chosen if len(chosen) == 2 else chosen[0]) | {"labels": labels}

    rows = typical(lengths, size, mean)
    chosen, arrays = pick(rows)
    answer = _save(name, arrays) | {"source": origin, "text": chosen[0][0]}
    _, same = pick(grouped(lengths, int(lengths[rows].sum()), size))
    return answer | {"grouped_batch": _save(f"{name}_grouped", same)["batch"]}


def _full(size, length):
    generator = np.random.default_rng(SEED)
    ids = generator.integers(1000, 30000, (size, length), dtype="int32")
    spans = generator.integers(0, length, (size, 2), dtype="int32")
    return {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
        "labels": spans if length > 128 else np.arange(size, dtype="int32") % 2,
    }


def _save(name, arrays):
    path = WORK / "batches" / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return {"batch": str(path), "lengths": arrays["padding_mask"].sum(1).tolist()}


def check_batch():
    """Path of a small batch with padding, on which all contestants must agree."""
    arrays = _full(len(CHECK_LENGTHS), max(CHECK_LENGTHS))
    mask = np.arange(max(CHECK_LENGTHS)) < np.array(CHECK_LENGTHS)[:, None]
    arrays["padding_mask"] = mask.astype("int32")
    arrays["token_ids"] = arrays["token_ids"] * mask
    return _save("check", arrays)["batch"]
