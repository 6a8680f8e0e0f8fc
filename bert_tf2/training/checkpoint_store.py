"""The folders of a run's checkpoints: which there are, whether they are whole, their files.

Each is a folder `epoch-<done>-step-<of the next>` with TensorFlow's `variables.*`, which carry a
checksum for each array, and `state.json`, which carries one of itself and one of the arrays' index.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from pathlib import Path

import tensorflow as tf

from bert_tf2 import files
from bert_tf2.messages import FileError, shorten

LOGGER = logging.getLogger("bert_tf2")
VARIABLES, STATE = "variables", "state.json"
FORMAT = 1
_NAME = re.compile(r"epoch-(\d+)-step-(\d+)(b*)")
_COUNT = re.compile(r"optimizer/(.*/)?iterations")  # names of variables
_SCHEMA = {
    "format": int,
    "epoch": int,
    "step": int,
    "finished": bool,
    "score": (float, None),
    "run": {
        "epochs": int,
        "batches": int,
        "shuffle_seed": int,
        "steps_per_epoch?": (int, None),
        "steps_per_execution?": int,
    },
    "history": {str: [float]},
    "variables": {str: [int]},
    "ahead?": (int, None),  # steps that the optimizer has counted beyond the place; since 0.2.0
    "index?": str,  # sha256 of variables.index
    "digest?": str,  # sha256 of all the rest
}
# What TensorFlow says of files that are damaged, and not of disks or rights that fail.
_DAMAGE = (
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
    tf.errors.InvalidArgumentError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    ValueError,
    FileNotFoundError,
)


def place(folder, epoch, step):
    """The free name of a checkpoint after so many epochs and steps of the next. -> Path"""
    final = Path(folder) / f"epoch-{epoch:04d}-step-{step:09d}"
    while os.path.lexists(final):  # the same place again, with what other callbacks changed since
        final = final.with_name(f"{final.name}b")
    return final


def found(folder):
    """The checkpoints' folders in the order of the run, the newest last. -> list of Path"""
    named = {path: _NAME.fullmatch(path.name) for path in Path(folder).glob("epoch-*")}
    listed = [path for path, match in named.items() if match and path.is_dir()]
    return sorted(listed, key=lambda p: (int(named[p][1]), int(named[p][2]), named[p][3]))


def write(final, state, values):
    """Writes a checkpoint, whole or not at all, and waits until it is on the disk.

    Args:
        final: Path of its folder, which is not there.
        state: dict for JSON.
        values: dict from name to tensor.

    Raises:
        OSError, tf.errors.OpError: nothing is left behind.
    """
    shapes = {name: list(value.shape) for name, value in values.items()}
    with files.new_folder(final, durable=True) as draft:
        tf.raw_ops.SaveV2(
            prefix=str(draft / VARIABLES),
            tensor_names=list(values),
            shape_and_slices=[""] * len(values),
            tensors=list(values.values()),
        )
        state = {"format": FORMAT, "variables": shapes, "index": _index_of(draft)} | state
        state["ahead"] = _ahead(state, values)
        state["digest"] = _digest(state)
        (draft / STATE).write_text(json.dumps(state, indent=1))


def read_state(path):
    """What `state.json` of a checkpoint says. -> dict

    Raises:
        FileError: it is damaged, or says what the checkpoint's name or run does not.
    """
    file = path / STATE
    try:
        state = files.read_json(file, _SCHEMA)
    except FileNotFoundError as error:
        raise FileError(f"{file} is missing") from error
    epoch, step, run = state["epoch"], state["step"], state["run"]
    if "digest" in state and state["digest"] != _digest(state):
        raise FileError(f"{file} was changed: it does not fit its own checksum")
    if (epoch, step) != tuple(map(int, _NAME.fullmatch(path.name).groups()[:2])):
        raise FileError(
            f"{file} must be of the place that its folder names. Received: {epoch=}, {step=}"
        )
    steps = _steps(run)
    if epoch > run["epochs"] or (steps > 0 and step > steps + run.get("steps_per_execution", 1)):
        raise FileError(
            f"{file} must be within {run['epochs']} epochs of {steps} steps. "
            f"Received: {epoch=}, {step=}"
        )
    return state


def check_variables(path, state, variables):
    """Compares the arrays of a checkpoint with its state and with the variables they are for.

    All of them are read, so that nothing is filled from a damaged file.

    Raises:
        FileError: the checkpoint is damaged.
        ValueError: it is of another model.
    """
    prefix = path / VARIABLES
    try:
        for file in (f"{prefix}.index", f"{prefix}.data-00000-of-00001"):
            files.check_regular(file)
        if state.get("index", _index_of(path)) != _index_of(path):
            raise FileError("the index is of another checkpoint")
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        if shapes != state["variables"]:
            raise FileError("it holds other arrays than its state says")
        counts = {}
        for name, dtype in dtypes.items():
            value = _read(prefix, name, dtype)
            counts |= {name: value} if _COUNT.fullmatch(name) else {}
        if state.get("ahead", _ahead(state, counts)) != _ahead(state, counts):
            raise FileError("the optimizer has taken another number of steps than the state says")
    except _DAMAGE as error:
        raise FileError(f"{prefix}: {shorten(str(error), 300)}") from error
    here = {n: (list(v.shape), tf.as_dtype(v.value.dtype)) for n, v in variables.items()}
    there = {name: (shape, dtypes[name]) for name, shape in shapes.items()}
    if here != there:
        differing = sorted(n for n in {**here, **there} if here.get(n) != there.get(n))
        raise ValueError(
            f"{path} is of another model or optimizer: {shorten(differing[:5], 300)} are not in "
            "both, or of another shape or dtype. Give another folder, or remove this one to start "
            "anew."
        )


def _steps(run):
    """How many steps an epoch has, as far as that is known."""
    return max(run.get("steps_per_epoch") or 0, run["batches"])


def _ahead(state, values):
    """The optimizer's steps beyond those of the state's place; None where it counts none.

    It may count others than the run: a step that is left out is none, and it may have had some
    before.
    """
    counts = [int(value) for name, value in values.items() if _COUNT.fullmatch(name)]
    place = state["epoch"] * max(_steps(state["run"]), 0) + state["step"]
    return max(counts) - place if counts else None


def fill(path, variables):
    """Fills variables from a checkpoint, one by one: memory holds no second copy of all."""
    for name, variable in variables.items():
        variable.assign(_read(path / VARIABLES, name, variable.value.dtype))


def _read(prefix, name, dtype):
    (value,) = tf.raw_ops.RestoreV2(
        prefix=str(prefix), tensor_names=[name], shape_and_slices=[""], dtypes=[dtype]
    )
    return value


def _index_of(path):
    content = files.read_bytes(path / f"{VARIABLES}.index")
    return hashlib.sha256(content).hexdigest()


def _digest(state):
    rest = {name: value for name, value in state.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def set_aside(path, why):
    """Gives a damaged checkpoint a name under which it is not looked for, and says so."""
    aside = path.with_name(f"damaged-{path.name}")
    while os.path.lexists(aside):
        aside = aside.with_name(f"{aside.name}b")
    LOGGER.warning("%s is damaged and set aside as %s: %s", path, aside.name, why)
    try:
        os.replace(path, aside)
    except OSError as error:
        LOGGER.warning("%s cannot be renamed: %s", path, error)


def remove(path):
    """Removes a checkpoint, so that none is ever seen in part.

    Raises:
        OSError: it is there still.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(path, aside)
    shutil.rmtree(aside, ignore_errors=True)
