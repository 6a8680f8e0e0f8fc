"""What lies beside a graph for people and servers: a model card, and settings to serve it with."""

import json
import math
import platform
from string import Template

import keras
import tensorflow as tf

from bert_tf2.files import write_file, write_json

CARD = "model_card.json"


def card_of(task, precision, signatures, about=None, model=None):
    """All that is known of an exported model, as JSON can say it.

    Args:
        task: the task.
        precision: what the graph computes in.
        signatures: {name: concrete function}.
        about: dict of what only people know: `data`, `scores`, `license`, …
        model: what computes in the task's place, if something does.

    Returns:
        dict.
    """
    import tensorflow_text

    import bert_tf2

    tokenizer = task.preprocessor.tokenizer
    return {
        "task": type(task).__name__,
        "labels": getattr(task, "labels", None),
        "settings": {name: getattr(task, name) for name in task.settings},
        **(_computing(task) if model is None else _instead(model)),
        "precision": precision,
        "vocabulary": {"kind": type(tokenizer).__name__, "size": tokenizer.vocabulary_size},
        "max_length": task.preprocessor.max_length,
        "signatures": {name: _signature(f) for name, f in signatures.items()},
        "versions": {
            "bert_tf2": bert_tf2.__version__,
            "tensorflow": tf.__version__,
            "tensorflow_text": tensorflow_text.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
        **(about or {}),
    }


def _computing(task):
    config, shapes = task.encoder.config, [v.shape for v in task.named_variables().values()]
    return {
        "family": config.family,
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "parameters": sum(map(math.prod, shapes)),
    }


def _instead(model):
    return {"family": model.name, "parameters": model.count_params()}


def _signature(function):
    inputs = tf.nest.flatten(function.structured_input_signature)
    outputs = function.structured_outputs
    return {
        "inputs": {spec.name: _spec(spec) for spec in inputs},
        "outputs": {name: _spec(tensor) for name, tensor in outputs.items()},
    }


def _spec(spec):
    return {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}


def write(folder, name, card, requests):
    """Writes README.md and `CARD` into a SavedModel's folder, and settings for servers beside it.

    Args:
        folder: of the version.
        name: of the model, as clients call it.
        card: as from `card_of`.
        requests: {signature: {name: tensor}}, something to ask.
    """
    write_json(folder / CARD, card)
    write_file(folder / "README.md", _readme(name, card, requests))
    extra = folder / "assets.extra"
    write_file(extra / "models.config", MODELS.substitute(name=name))
    write_file(extra / "batching.config", BATCHING)
    write_file(extra / "config.pbtxt", _triton(name, card))


# === For people ===================================================================================

README = Template("""\
# $name

A SavedModel of a `$task`, written by bert_tf2 $version. It takes raw text: all it needs is inside.

$facts

## Asking it

With TensorFlow Serving, from the folder above this one:

```sh
docker run -p 8501:8501 -v "$$PWD:/models/$name" -e MODEL_NAME=$name tensorflow/serving
curl -d '$question' localhost:8501/v1/models/$name:predict
```

In Python, which needs `tensorflow` and `tensorflow_text` alone:

```python
import tensorflow as tf, tensorflow_text

model = tf.saved_model.load("THIS FOLDER")
model.signatures["serving_default"]($arguments)
```

## Signatures

$signatures

`model_card.json` says the same for programs. In `assets.extra` lie the requests that TensorFlow
Serving warms up with, `models.config` and `batching.config` for it, and `config.pbtxt` for Triton's
TensorFlow backend, which wants this folder as `$name/1/model.savedmodel`.
""")
PLAIN = ("family", "layers", "width", "parameters", "precision", "max_length", "license")


def _readme(name, card, requests):
    asked = {n: x.numpy().tolist() for n, x in requests["serving_default"].items()}
    asked = {n: _decoded(x) for n, x in asked.items()}
    facts = [(key.replace("_", " "), card[key]) for key in PLAIN if key in card]
    facts.append(("labels", ", ".join(card["labels"] or ()) or "none"))
    facts += [(key, json.dumps(card[key])) for key in ("data", "scores") if key in card]
    words = {
        "facts": "\n".join(["| | |", "|---|---|", *(f"| {k} | {_cell(v)} |" for k, v in facts)]),
        "question": json.dumps({"inputs": asked}).replace("'", "\\u0027"),
        "arguments": ", ".join(f"{n}=tf.constant({x!r})" for n, x in asked.items()),
        "signatures": "\n".join(_signature_lines(card["signatures"])),
        "task": card["task"],
        "version": card["versions"]["bert_tf2"],
        "name": name,
    }
    return README.substitute(words)


def _signature_lines(signatures):
    lines = ["| signature | takes | answers |", "|---|---|---|"]
    for name, sides in signatures.items():
        cells = (
            ", ".join(f"`{n}` {x['dtype']} {_shape(x['shape'])}" for n, x in sides[side].items())
            for side in ("inputs", "outputs")
        )
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def _shape(sizes):
    return f"({', '.join('?' if size is None else str(size) for size in sizes)})"


def _cell(value):
    """Text as a cell of a table in Markdown."""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(text.replace("|", "\\|").split())


def _decoded(value):
    return [_decoded(x) for x in value] if isinstance(value, list) else value.decode()


# === For TensorFlow Serving =======================================================================

MODELS = Template("""\
# tensorflow_model_server --model_config_file=models.config
model_config_list {
  config {
    name: "$name"
    # The folder with the numbered versions, as the server sees it.
    base_path: "/models/$name"
    model_platform: "tensorflow"
    # The highest version alone; a new one is loaded before the old one goes.
    model_version_policy { latest { num_versions: 1 } }
  }
}
""")
BATCHING = """\
# tensorflow_model_server --enable_batching --batching_parameters_file=batching.config
# Rows of one call to the graph, at most. More fill a processor no better, and wait for each other.
max_batch_size { value: 32 }
# How long the first row of a batch waits for others, in millionths of a second: a part of what one
# answer takes. 0 batches only what comes while the graph is busy.
batch_timeout_micros { value: 2000 }
# Batches that may wait; beyond these the server answers UNAVAILABLE, and clients should come again.
max_enqueued_batches { value: 100 }
# Batches that are computed at once. Each uses all cores, so that more only take turns.
num_batch_threads { value: 1 }
# Ids of different lengths (the signature `token_ids`) are padded to the longest; strings need none.
pad_variable_length_inputs: true
"""


# === For Triton ===================================================================================

TYPES = {
    "string": "TYPE_STRING",
    "float32": "TYPE_FP32",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "bool": "TYPE_BOOL",
}
TRITON = Template("""\
# $name/config.pbtxt beside $name/1/model.savedmodel, for Triton's TensorFlow backend
name: "$name"
platform: "tensorflow_savedmodel"
max_batch_size: 32
dynamic_batching { max_queue_delay_microseconds: 2000 }
parameters { key: "TF_SIGNATURE_DEF" value { string_value: "serving_default" } }
""")


def _triton(name, card):
    sides = card["signatures"]["serving_default"]
    text = TRITON.substitute(name=name)
    for side, tensors in zip(("input", "output"), sides.values(), strict=True):
        for tensor, spec in tensors.items():
            text += f'{side} {{\n  name: "{tensor}"\n  data_type: {TYPES[spec["dtype"]]}\n'
            rest = [-1 if size is None else size for size in spec["shape"][1:]]
            # Triton counts no rows, and knows no tensor without a size beside them.
            text += f"  dims: {rest or [1]}\n" + "  reshape { shape: [ ] }\n" * (not rest) + "}\n"
    return text
