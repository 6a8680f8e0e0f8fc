"""One version of an exported model: its graph in memory, and what is known of it.

Letters: B rows of a request or a batch.
"""

import contextlib
import json
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  its operations are in the graphs

from bert_tf2.files import check_tree, read_bytes, read_text
from bert_tf2.schema import parse_json
from bert_tf2.serving.many_adapters import COLUMN
from bert_tf2.serving.server.tensors import Spec

DEFAULT = "serving_default"
SHARED = ("candidate_labels",)  # inputs that are not of rows but of the whole request
SAMPLES = {"prompt_name": b"", "candidate_labels": b"tea", COLUMN: b""}  # for the first answer


class Signature(NamedTuple):
    """A function of a graph: its inputs and outputs by name, `Spec` each."""

    name: str
    function: object
    inputs: dict
    outputs: dict

    @property
    def shared(self):
        """The inputs that rows share: rows of different ones are not computed together."""
        return [name for name in self.inputs if name in SHARED]

    def __call__(self, inputs):
        """dict of arrays (B, …) -> dict of arrays (B, …); strings are object arrays of bytes."""
        found = self.function(**{name: tf.constant(x) for name, x in inputs.items()})
        return {name: found[name].numpy() for name in self.outputs}


class Version:
    """A version of a model, loaded.

    Args:
        name: of the model. number: of the version. folder: with saved_model.pb.

    Attributes:
        task: the class it was exported from, such as "TextClassifier"; "" of other SavedModels.
        labels: list of str, or None. card: dict, what model_card.json says; {} without one.
        signatures: dict of names to `Signature`. definitions: the same in TensorFlow's own words.

    Raises:
        ValueError, OSError: no whole SavedModel, or one without signatures.
    """

    def __init__(self, name, number, folder):
        started = time.monotonic()
        self.name, self.number, self.folder = name, number, folder
        check_tree(folder)
        self.task, self.labels, self.card = _beside(folder)
        try:
            self.loaded = tf.saved_model.load(str(folder))  # which alone holds the variables
        except (tf.errors.OpError, IndexError, RuntimeError) as error:
            raise ValueError(f"{folder} cannot be loaded: {error}") from error
        self.signatures = {n: _signature(n, f) for n, f in self.loaded.signatures.items()}
        if not self.signatures:
            raise ValueError(f"{folder} has no signature: export it with bert_tf2 export")
        self.definitions = _definitions(folder)
        self._warm()
        self.seconds = time.monotonic() - started

    def _warm(self):
        """Asks each signature of strings once: a graph is optimised at its first answer."""
        for signature in self.signatures.values():
            specs = signature.inputs
            if "examples" not in specs and all(s.dtype == "string" for s in specs.values()):
                with contextlib.suppress(tf.errors.InvalidArgumentError):  # others may be refused
                    signature(
                        {
                            name: np.full([1] * len(spec.shape), SAMPLES.get(name, b"tea"), object)
                            for name, spec in specs.items()
                        }
                    )


def _beside(folder):
    """What lies beside a graph: task, labels, card."""
    extra, card = folder / "assets.extra", folder / "model_card.json"
    found = parse_json(read_bytes(card), str(card), {"task": str}) if card.is_file() else {}
    task, labels = found.get("task", ""), found.get("labels")
    if (extra / "task.txt").is_file():
        task = read_text(extra / "task.txt").split("\n")[0]
    if (extra / "labels.txt").is_file():
        labels = read_text(extra / "labels.txt").splitlines()
    return task, labels, found


def _signature(name, function):
    inputs = {n: _spec(s) for n, s in function.structured_input_signature[1].items()}
    outputs = {n: _spec(s) for n, s in sorted(function.structured_outputs.items())}
    return Signature(name, function, inputs, outputs)


def _spec(spec):
    sizes = (None,) if spec.shape.rank is None else tuple(spec.shape.as_list())
    return Spec(spec.dtype.name, sizes)


def _definitions(folder):
    """The `SignatureDef`s of a SavedModel, as JSON has them."""
    from google.protobuf import json_format
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    how = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    return {
        name: json.loads(json_format.MessageToJson(definition, **how))
        for name, definition in content.meta_graphs[0].signature_def.items()
        if not name.startswith("__")
    }
