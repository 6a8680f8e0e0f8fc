"""SavedModels asked by a small C program, as TensorFlow Serving loads them."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text

SOURCE = Path(__file__).parents[1] / "serving" / "load_saved_model.c"


def compiler():
    """A C compiler's command, or None."""
    return shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")


def built(folder):
    """The program, compiled against the TensorFlow that is installed, into a folder."""
    place, program = tf.sysconfig.get_lib(), Path(folder) / "load_saved_model"
    command = [compiler(), "-O1", "-Wall", f"-I{tf.sysconfig.get_include()}", str(SOURCE)]
    command += ["-o", str(program), f"-L{place}", f"-Wl,-rpath,{place}"]
    command += ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return program


def ask(program, folder, signature, inputs):
    """A signature's answers, {name: array}, to {name: array}; strings are arrays of bytes."""
    definition = _signature(folder, signature)
    question = struct.pack("i", len(inputs))
    for name, value in inputs.items():
        question += _place(definition.inputs[name].name) + _packed(np.asarray(value))
    question += struct.pack("i", len(definition.outputs))
    for output in definition.outputs.values():
        question += _place(output.name)
    libraries = sorted((Path(tensorflow_text.__file__).parent / "python" / "ops").glob("*.so"))
    done = subprocess.run(
        [program, folder, *libraries], input=question, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return dict(zip(definition.outputs, _unpacked(done.stdout), strict=True))


def _signature(folder, name):
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return content.meta_graphs[0].signature_def[name]


def _place(name):
    operation, _, number = name.partition(":")
    return struct.pack("I", len(operation)) + operation.encode() + struct.pack("i", int(number))


def _packed(array):
    kind = tf.string if array.dtype.kind in "SO" else tf.as_dtype(array.dtype)
    head = struct.pack(f"ii{array.ndim}q", kind.as_datatype_enum, array.ndim, *array.shape)
    if kind != tf.string:
        return head + array.tobytes()
    return head + b"".join(struct.pack("Q", len(text)) + text for text in array.ravel().tolist())


def _unpacked(content):
    """The arrays of an answer."""
    at = 0

    def take(layout):
        nonlocal at
        size = struct.calcsize(layout)
        at += size
        return struct.unpack(layout, content[at - size : at])

    while at < len(content):
        number, rank = take("ii")
        shape = take(f"{rank}q")
        kind, count = tf.dtypes.as_dtype(number), int(np.prod(shape))
        if kind == tf.string:
            values = [take(f"{take('Q')[0]}s")[0] for _ in range(count)]
            yield np.array(values, object).reshape(shape)
        else:
            (values,) = take(f"{count * kind.size}s")
            yield np.frombuffer(values, kind.as_numpy_dtype).reshape(shape)
