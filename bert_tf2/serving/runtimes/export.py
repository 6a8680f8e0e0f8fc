"""Folders of other runtimes: a model of ids, its tokenizer, and a card."""

import importlib
from pathlib import Path
from string import Template
from typing import NamedTuple

from bert_tf2 import files
from bert_tf2.serving import card
from bert_tf2.serving.runtimes import asked, litert, onnx
from bert_tf2.tasks.masked_lm import MaskedLM
from bert_tf2.tasks.task import Task
from bert_tf2.weights.whole_tokenizers import NAME as TOKENIZER
from bert_tf2.weights.whole_tokenizers_writing import whole_of


class Runtime(NamedTuple):
    """A runtime: a module with FILE, PRECISIONS, `write` and `opened`; and what it needs."""

    home: object
    writes: tuple[str, ...]  # packages that write its files
    runs: tuple[str, ...]  # and those that run them
    extra: str  # of pip


RUNTIMES = {
    "onnx": Runtime(onnx, ("onnx", "onnxruntime"), ("onnxruntime",), "onnx"),
    "litert": Runtime(litert, (), ("ai_edge_litert",), "litert"),
}


def export_onnx(task, folder, precision="float32", about=None):
    """Writes a folder for ONNX Runtime: `model.onnx` of ids, with its tokenizer's files and a card.

    The graph takes int64 `input_ids`, `attention_mask` and, of families with segments,
    `token_type_ids`, each (B, L) of any B and L, or (B, N, L) of choices, and answers what
    `asked.outputs` says: pooling, normalisation and activation are inside. Padding is not
    computed, unless the task computes it. These are the names of optimum's exports.

    Args:
        task: a task model, e.g. a `TextClassifier`.
        folder: where to write: a new or empty folder.
        precision: "float32"; "float16", half the size, for GPUs; or "int8", a quarter: products and
            tables in 8 bits, as in the SavedModels of that name.
        about: dict of what the card is to say besides.

    Returns:
        pathlib.Path of the folder.

    Raises:
        ImportError: onnx or onnxruntime is not installed: `pip install "bert_tf2[onnx]"`.
        FileExistsError: the folder is not empty. ValueError: another precision.
        NotImplementedError: a task of your own computes with what nothing stands for in ONNX.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> folder = bert_tf2.export_onnx(clf, "onnx/clf")
    """
    return export(task, folder, "onnx", precision, about)


def export_litert(task, folder, precision="float32", about=None):
    """Writes a folder for LiteRT: `model.tflite` of ids, with its tokenizer's files and a card.

    As `export_onnx`, but ids are int32, and padding is computed. All operations are built in.

    Args:
        task, folder, about: as of `export_onnx`.
        precision: "float32"; "float16", weights in 16 bits; or "int8", weights in 8 bits.

    Returns, raises: as `export_onnx`.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> folder = bert_tf2.export_litert(clf, "litert/clf")
    """
    return export(task, folder, "litert", precision, about)


def export(task, folder, format, precision="float32", about=None):
    """Writes the folder of a runtime, whole or not at all: see `export_onnx`."""
    runtime, precision = checked(format, precision)
    folder = Path(folder)
    files.check_is_new(folder)
    with files.new_folder(folder) as unfinished:
        function = runtime.home.write(unfinished, task, precision)
        write_tokenizer(unfinished, task)
        said = card.card_of(task, precision, {format: function}, about) | asked.settings_of(task)
        files.write_json(unfinished / card.CARD, said)
        files.write_file(unfinished / "README.md", _readme(folder.name, format, said))
    return folder


def checked(format, precision):
    """A `Runtime`, whose packages are there, and a precision that it has.

    Raises:
        ValueError: another format or precision. ImportError: a package is missing.
    """
    if format not in RUNTIMES:
        raise ValueError(f"`format` must be one of {[*RUNTIMES]}. Received: {format!r}")
    runtime, precision = RUNTIMES[format], precision or "float32"
    if precision not in runtime.home.PRECISIONS:
        raise ValueError(
            f"`precision` of {format} must be one of {[*runtime.home.PRECISIONS]}. Received: "
            f"{precision!r}"
        )
    need(runtime.writes, runtime.extra)
    return runtime, precision


def need(packages, extra):
    """Raises ImportError, with what to do, unless packages are there."""
    for name in packages:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ImportError(
                f'{name} is not installed: pip install "bert_tf2[{extra}]", or {name} alone'
            ) from error


def write_tokenizer(folder, task):
    """Writes tokenizer.json, and the tokenizer's own files."""
    tokenizer, preprocessor = task.preprocessor.tokenizer, task.preprocessor
    roles = ("pad", "unknown", "cls", "sep", *(["mask"] if isinstance(task, MaskedLM) else []))
    pieces = {role: tokenizer.special_pieces[role] for role in roles}
    special = {role: (piece, int(tokenizer.token_to_id(piece))) for role, piece in pieces.items()}
    source = tokenizer.source()
    whole = whole_of(source, special, preprocessor.max_length)
    files.write_json(folder / TOKENIZER, whole, ensure_ascii=False)
    for name, content in source.files.items():
        (folder / name).write_bytes(content)


README = Template("""\
# $name

A `$task` for $runtime, written by bert_tf2 $version: ids in, numbers out. `$file` is the model,
`tokenizer.json` its tokenizer, `model_card.json` tells the rest: labels, lengths, settings.

$facts

```python
$code
```

`pip install numpy tokenizers $package` is all that this needs.
""")
CODE = {
    "onnx": """\
import numpy as np, onnxruntime, tokenizers

tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
session = onnxruntime.InferenceSession("model.onnx")
rows = tokenizer.encode_batch($texts)
words = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
ids = {name: np.array([getattr(row, word) for row in rows]) for name, word in words.items()}
names = [x.name for x in session.get_outputs()]
found = session.run(names, {x.name: ids[x.name] for x in session.get_inputs()})
print(dict(zip(names, found)))""",
    "litert": """\
import numpy as np, tokenizers
from ai_edge_litert.interpreter import Interpreter

tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
runner = Interpreter("model.tflite").get_signature_runner("serving_default")
rows = tokenizer.encode_batch($texts)
words = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
ids = {n: np.array([getattr(row, word) for row in rows], "int32") for n, word in words.items()}
print(runner(**{name: ids[name] for name in runner.get_input_details()}))""",
}
PACKAGES = {"onnx": ("ONNX Runtime", "onnxruntime"), "litert": ("LiteRT", "ai-edge-litert")}
PLAIN = ("family", "layers", "width", "parameters", "precision", "max_length", "license")


def _readme(name, format, said):
    runtime, package = PACKAGES[format]
    facts = [f"| {key.replace('_', ' ')} | {said[key]} |" for key in PLAIN if key in said]
    return README.substitute(
        name=name,
        task=said["task"],
        runtime=runtime,
        package=package,
        version=said["versions"]["bert_tf2"],
        file=RUNTIMES[format].home.FILE,
        facts="\n".join(["| | |", "|---|---|", *facts]),
        code=Template(CODE[format]).substitute(texts='["what a film", "what a bore"]'),
    )


Task.exporters |= {"onnx": export_onnx, "litert": export_litert}  # `clf.export(folder, "onnx")`
