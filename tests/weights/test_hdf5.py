"""HDF5 files: what is read is what was written, and nothing a file says is believed unchecked."""

import json
import subprocess
import sys

import h5py
import ml_dtypes
import numpy as np
import pytest

from bert_tf2.weights import CheckpointError
from bert_tf2.weights.containers import hdf5, keras_weights

ARRAYS = {
    "layers/dense/vars/0": np.arange(12, dtype=np.float32).reshape(3, 4),
    "layers/dense/vars/1": np.arange(4, dtype=np.float32),
    "layers/dense_1/vars/0": np.zeros((0, 4), np.float32),
    "step": np.array(7, np.int64),
    "large": np.arange(300_000, dtype=np.float32).reshape(600, 500),
}


@pytest.fixture
def file(tmp_path):
    hdf5.write(tmp_path / "a.h5", ARRAYS)
    return tmp_path / "a.h5"


def reading(file):
    return hdf5.read(file, hdf5.list_variables(file))


def with_h5py(file, fill):
    with h5py.File(file, "w") as root:
        fill(root)
    return file


def test_what_is_written_is_read(file):
    listed = hdf5.list_variables(file)
    assert listed == {name: (a.shape, a.dtype) for name, a in sorted(ARRAYS.items())}
    for name, array in reading(file).items():
        np.testing.assert_array_equal(array, ARRAYS[name])
    assert not hdf5.read(file, ["large"])["large"].flags.writeable  # a view, no copy


def test_16_bit_floats_and_the_other_byte_order(tmp_path):
    """bfloat16 is marked as Keras's H5IOStore marks it."""
    values = np.array([1.5, -2, 0.125], np.float32)

    def fill(root):
        root["half"], root["big_endian"] = values.astype(np.float16), values.astype(">f4")
        root.create_dataset("brain", data=values.astype(ml_dtypes.bfloat16))
        root["brain"].attrs["dtype"] = "bfloat16"

    file = with_h5py(tmp_path / "a.h5", fill)
    dtypes = {name: dtype.name for name, (_, dtype) in hdf5.list_variables(file).items()}
    assert dtypes == {"half": "float16", "big_endian": "float32", "brain": "bfloat16"}
    for array in reading(file).values():
        np.testing.assert_array_equal(array, values)


LINKS = {
    "soft": lambda root: root.__setitem__("x", h5py.SoftLink("/a")),
    "external": lambda root: root.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")),
}
STRANGE = LINKS | {
    "text": lambda root: root.__setitem__("x", "words"),
    "nothing": lambda root: root.__setitem__("x", h5py.Empty("f4")),
    "a dtype": lambda root: root.__setitem__("x", np.dtype("f4")),
    "two bytes": lambda root: root.__setitem__("x", np.zeros(3, "V2")),
    "a record": lambda root: root.__setitem__("x", np.zeros(3, [("a", "f4")])),
    "compressed": lambda root: root.create_dataset("x", data=np.zeros(9), compression="gzip"),
    "in pieces": lambda root: root.create_dataset("x", data=np.zeros(9), chunks=(3,)),
    "in another file": lambda root: root.create_dataset(
        "x", (4,), "u1", external=[("/etc/passwd", 0, 4)]
    ),
    "never written": lambda root: root.create_dataset("x", (10**6, 10**6), "f4"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_anything_but_plain_arrays_is_refused(tmp_path, kind):
    def fill(root):
        root["a"] = np.ones(3)
        STRANGE[kind](root)

    file = with_h5py(tmp_path / "a.h5", fill)
    with pytest.raises(CheckpointError, match=r"a\.h5.*: x "):
        hdf5.list_variables(file)


def test_groups_in_a_circle_and_too_deep(tmp_path):
    def circle(root):
        inner = root.create_group("a/b")
        inner["again"] = root["a"]

    for fill in (circle, lambda root: root.create_group("g/" * 40)):
        file = with_h5py(tmp_path / "a.h5", fill)
        with pytest.raises(CheckpointError, match="lies in itself or far too deep"):
            hdf5.list_variables(file)


def test_truncated_and_other_files(file):
    whole = file.read_bytes()
    for content in (b"", b"version https://git-lfs", whole[:100], whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"a\.h5 .*get it again"):
            hdf5.list_variables(file)


def test_a_declared_shape_is_held_against_the_file(file):
    """600 rows become 2**40 in the header."""
    rows, columns = (n.to_bytes(8, "little") for n in ARRAYS["large"].shape)
    whole = file.read_bytes()
    assert whole.count(rows + columns) == 2  # the present shape and the largest
    file.write_bytes(whole.replace(rows + columns, (1 << 40).to_bytes(8, "little") + columns))
    with pytest.raises(CheckpointError):
        hdf5.list_variables(file)


DAMAGE = """
import random, sys
from pathlib import Path
from bert_tf2.weights import CheckpointError
from bert_tf2.weights.containers import hdf5

source, seed, times = sys.argv[1:]
whole, file = Path(source).read_bytes(), Path(source).with_name("damaged.h5")
draw, refused = random.Random(int(seed)), 0
for _ in range(int(times)):
    content = bytearray(whole)
    for _ in range(draw.choice((1, 1, 2, 8))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    if draw.random() < 0.2:
        content = content[: draw.randrange(len(content))]
    file.write_bytes(content)
    try:
        hdf5.read(file, hdf5.list_variables(file))
    except CheckpointError:
        refused += 1
print(refused)
"""


@pytest.mark.parametrize(
    ("seed", "times"), [(0, 150), pytest.param(1, 3_000, marks=pytest.mark.soak)]
)
def test_damaged_files_are_read_or_refused(tmp_path, seed, times):
    """In a process of its own, as the library below h5py is written in C."""
    arrays = {name: array for name, array in ARRAYS.items() if name != "large"}
    hdf5.write(tmp_path / "a.h5", arrays)
    command = [sys.executable, "-c", DAMAGE, str(tmp_path / "a.h5"), str(seed), str(times)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > times / 10


# --- Keras's files of weights. --------------------------------------------------------------------


def test_a_head_lies_in_a_file_of_its_own(tmp_path):
    arrays = {"layers/dense/vars/0": np.ones(3), "task/layers/dense/vars/0": np.zeros(2)}
    keras_weights.write(tmp_path / "model.weights.h5", arrays)
    assert set(hdf5.list_variables(tmp_path / "task.weights.h5")) == {"layers/dense/vars/0"}
    assert set(keras_weights.list_variables(tmp_path / "model.weights.h5")) == set(arrays)
    got = keras_weights.read(tmp_path / "model.weights.h5", arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(got[name], array)


def test_shards(tmp_path):
    index = tmp_path / "model.weights.json"
    files = {"/a/vars": "model_00000.weights.h5", "/b/vars": ["model_00001.weights.h5"]}
    index.write_text(f'{{"weight_map": {files}}}'.replace("'", '"'))
    with pytest.raises(CheckpointError, match=r"shards that are not there.*00000.*00001"):
        keras_weights.list_variables(index)
    for number, name in enumerate("ab"):
        hdf5.write(tmp_path / f"model_0000{number}.weights.h5", {f"{name}/vars/0": np.ones(3)})
    assert set(keras_weights.list_variables(index)) == {"a/vars/0", "b/vars/0"}
    assert list(keras_weights.read(index, ["b/vars/0"])) == ["b/vars/0"]
    hdf5.write(tmp_path / "model_00001.weights.h5", {"a/vars/0": np.ones(3)})
    with pytest.raises(CheckpointError, match="two shards hold a/vars/0"):
        keras_weights.list_variables(index)


@pytest.mark.parametrize("place", ["../a.h5", "/etc/passwd", ["x/y.h5"], 3, None])
def test_an_index_stays_in_its_folder(tmp_path, place):
    index = tmp_path / "model.weights.json"
    index.write_text(json.dumps({"weight_map": {"a": place}}))
    with pytest.raises(CheckpointError, match=r"not beside it|weight_map.a must be text"):
        keras_weights.list_variables(index)
