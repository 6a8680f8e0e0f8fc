"""A task as a LiteRT model (.tflite), for phones and small machines."""

import tensorflow as tf

from bert_tf2.serving.runtimes import asked

FILE = "model.tflite"
PRECISIONS = ("float32", "float16", "int8")
SIGNATURE = "serving_default"
LIMIT = 2_000_000_000  # bytes, of a flatbuffer


class _Asked(tf.Module):
    """A concrete function with what it reads, as the converter wants it to have a signature."""

    def __init__(self, function):
        super().__init__()
        self.function, self.read = function, [*function.variables]


def content_of(task, precision="float32"):
    """The bytes of a LiteRT model: see `export_litert`.

    Args:
        task: a task model; it is left alone.
        precision: one of `PRECISIONS`. Of "float16" the weights are stored in 16 bits; of "int8"
            in 8, by the converter's dynamic-range quantisation, and products are of integers.

    Returns:
        the bytes, and the concrete function that they were made of.
    """
    function, _ = asked.graph_of(task, "int32")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], _Asked(function))
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert(), function


def write(folder, task, precision):
    """Writes `FILE`. -> the function."""
    content, function = content_of(task, precision)
    (folder / FILE).write_bytes(content)
    return function


def opened(file, threads=None):
    """A function of {input: int array} that gives {output: array}, of a file.

    Args:
        file: a LiteRT model.
        threads: int; default 1.
    """
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(file), num_threads=threads).get_signature_runner(SIGNATURE)
    wanted = runner.get_input_details()

    def run(ids):
        return runner(**{name: x.astype("int32") for name, x in ids.items() if name in wanted})

    return run
