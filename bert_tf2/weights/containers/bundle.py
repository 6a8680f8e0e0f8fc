"""TensorFlow checkpoints by prefix (`<prefix>.index` and `<prefix>.data-*`): list, read and write.

This is the V2 bundle format of `tf.train.Saver`, in which Google published BERT. TensorFlow is
imported where it is used, so that looking at other formats stays quick.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bert_tf2 import files
from bert_tf2.messages import shorten
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tensors import to_array


def list_variables(prefix: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name -> (shape, dtype) of every variable. Reads the index only.

    Raises:
        CheckpointError: the index is damaged.
    """
    import tensorflow as tf

    files.check_regular(f"{prefix}.index", files.LARGE, CheckpointError)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
    except (tf.errors.OpError, ValueError) as error:
        raise CheckpointError(
            f"{prefix}.index cannot be read as the index of a TensorFlow checkpoint. It is "
            f"damaged, or only a Git LFS pointer; get it again. TensorFlow says: {_words(error)}"
        ) from error
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    return {
        name: (tuple(shapes[name]), np.dtype(dtypes[name].as_numpy_dtype))
        for name in sorted(shapes)
    }


def read(prefix: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named variables as arrays of their own dtype, in one restore. They may be read-only.

    Raises:
        CheckpointError: a data file is missing, too short or damaged.
    """
    import tensorflow as tf

    names = list(names)
    listed = list_variables(prefix)
    _check_data_files(prefix, listed)
    if not names:
        return {}
    dtypes = [tf.as_dtype(listed[name][1]) for name in names]
    try:
        with tf.device("CPU:0"):
            tensors = tf.raw_ops.RestoreV2(
                prefix=str(prefix),
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                dtypes=dtypes,
            )
    except tf.errors.OpError as error:
        raise CheckpointError(
            f"The data of {prefix} is damaged; get it again. TensorFlow says: {_words(error)}"
        ) from error
    return {name: to_array(tensor) for name, tensor in zip(names, tensors, strict=True)}


def write(prefix: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes `<prefix>.index` and `<prefix>.data-00000-of-00001`, as `tf.train.Saver` would.

    Not atomically: into a folder that nobody sees yet.

    Raises:
        OSError: they cannot be written.
    """
    import tensorflow as tf

    try:
        with tf.device("CPU:0"):
            tf.raw_ops.SaveV2(
                prefix=str(prefix),
                tensor_names=list(arrays),
                shape_and_slices=[""] * len(arrays),
                tensors=list(arrays.values()),
            )
    except tf.errors.OpError as error:
        raise OSError(f"{prefix} cannot be written. TensorFlow says: {_words(error)}") from error


def _check_data_files(prefix: Path, listed: dict) -> None:
    """Compares the data files with what the index promises, before any of it is read."""
    found = sorted(prefix.parent.glob(f"{prefix.name}.data-?????-of-?????"))
    shards = int(found[0].name[-5:]) or 1 if found and found[0].name[-5:].isdecimal() else 1
    promised = [Path(f"{prefix}.data-{i:05}-of-{shards:05}") for i in range(shards)]
    missing = [path.name for path in promised if not path.exists()]
    if missing:
        raise CheckpointError(
            f"{prefix}.index lists {len(listed)} variables, but their data is not there: missing "
            f"{shorten(missing, 300)}. Put it beside the index."
        )
    # Strings have no fixed size; they belong to no model, and are left out of the sum.
    sizes = [math.prod(s) * d.itemsize for s, d in listed.values() if d != np.dtype(object)]
    needed = sum(sizes)
    present = sum(files.check_regular(path, error=CheckpointError) for path in promised)
    if present < needed:
        raise CheckpointError(
            f"{promised[-1]} is truncated: the index lists {needed} bytes of variables, and the "
            f"data holds {present}. Get the file again."
        )


def _words(error: Exception) -> str:
    return str(error).replace("\n", " ")[:300]
