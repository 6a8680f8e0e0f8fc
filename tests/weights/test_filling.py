"""From a file into a model's variables: bit for bit, nothing left out, nothing shared with it."""

import dataclasses

import keras
import ml_dtypes
import numpy as np
import oracle
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from bert_tf2 import Encoder, weights
from bert_tf2.config import EncoderConfig
from bert_tf2.weights import names
from bert_tf2.weights.containers import bundle
from bert_tf2.weights.filling import load_variables
from bert_tf2.weights.tensors import to_array, transposed

# Both the token table and the inner kernels are over 1 MiB: safetensors of that size are mapped.
CONFIG = EncoderConfig(
    vocab_size=8200,
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8200,
    max_position_embeddings=9,
)
DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
FORMATS = ("google", "huggingface", "bert_tf2")
PLACES = [
    (name, format)
    for name, config in oracle.TINIES.items()
    for format in FORMATS
    if (config.family, format) in names.NAMES
]


def write(folder, format, dtype=np.float32, config=CONFIG):
    """-> (the file with the numbers, our name -> array as it should arrive)."""
    arrays = oracle.random_weights(weights.expected_shapes(config))
    weights.save(folder, weights.Contents(config, arrays), format)
    file = next(f for f in folder.iterdir() if ".data-" in f.name or f.suffix == ".safetensors")
    if dtype != np.float32:  # also those that we do not write
        theirs = weights.to_format(arrays, config, format)
        theirs = {name: array.astype(dtype) for name, array in theirs.items()}
        if format == "google":
            bundle.write(next(folder.glob("*.index")).with_suffix(""), theirs)
        else:
            save_file(theirs, file)
    return file, {name: array.astype(dtype).astype(np.float32) for name, array in arrays.items()}


def assert_bitwise(variables, arrays, dtype="float32"):
    assert set(variables) == set(arrays)
    for name, array in arrays.items():
        got = variables[name].numpy()
        assert got.dtype == np.dtype(dtype)
        assert got.tobytes() == array.astype(dtype).tobytes(), name


def pointer(tensor):
    return to_array(tensor).ctypes.data


# --- A whole model. -------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_stored_dtype_arrives_bit_for_bit(tmp_path, format, dtype):
    file, arrays = write(tmp_path / "a", format, dtype)
    assert_bitwise(Encoder.from_preset(file.parent).named_variables(), arrays)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("policy", "dtype"), [("mixed_bfloat16", "float32"), ("bfloat16", ml_dtypes.bfloat16)]
)
def test_every_policy_gets_its_dtype(tmp_path, format, policy, dtype):
    file, arrays = write(tmp_path / "a", format)
    encoder = Encoder.from_preset(file.parent, dtype=policy)
    assert_bitwise(encoder.named_variables(), arrays, dtype)


@pytest.mark.parametrize("format", FORMATS)
def test_a_model_stays_when_its_file_changes(tmp_path, format):
    file, arrays = write(tmp_path / "a", format)
    encoder = Encoder.from_preset(file.parent)
    with open(file, "r+b") as stream:  # the same bytes on disk, not a new file under the old name
        stream.write(bytes(file.stat().st_size))
    assert_bitwise(encoder.named_variables(), arrays)


@pytest.mark.parametrize("format", FORMATS)
def test_two_models_of_one_checkpoint_share_nothing(tmp_path, format):
    file, arrays = write(tmp_path / "a", format)
    checkpoint = weights.read_ahead(weights.open_checkpoint(file.parent))
    first, second = (Encoder(CONFIG, weights.unset, name=name) for name in "ab")
    for encoder in (first, second):
        load_variables(checkpoint, encoder.named_variables())
    for variable in first.named_variables().values():
        variable.assign_add(np.ones(variable.shape))
    assert_bitwise(second.named_variables(), arrays)


@pytest.mark.parametrize(("name", "format"), PLACES)
def test_no_variable_stays_unset(tmp_path, monkeypatch, name, format):
    config = oracle.TINIES[name]
    file, _ = write(tmp_path / "a", format, config=config)
    monkeypatch.setattr(weights, "unset", keras.initializers.Constant(np.nan))
    for variable in Encoder.from_preset(file.parent).variables:
        if variable.dtype == "float32":
            assert np.isfinite(variable.numpy()).all(), variable.path


def test_inside_a_strategy(tmp_path):
    file, arrays = write(tmp_path / "a", "google")
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        encoder = Encoder.from_preset(file.parent)
    assert_bitwise(encoder.named_variables(), arrays)


# --- Reading ahead. -------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_reading_ahead_changes_nothing(tmp_path, format):
    file, arrays = write(tmp_path / "a", format)
    plain = weights.open_checkpoint(file.parent)
    ahead = weights.read_ahead(plain)
    assert ahead == plain
    expected = weights.expected_shapes(CONFIG)
    want, report = weights.load(plain, expected)
    for _ in range(2):  # the second time there is nothing ahead any more
        got, same = weights.load(ahead, expected)
        assert same == report
        assert list(got) == list(want)
        for name, array in arrays.items():
            assert got[name].tobytes() == want[name].tobytes() == array.tobytes(), name


def test_what_goes_wrong_ahead_is_said_on_loading(tmp_path):
    file, _ = write(tmp_path / "a", "google")
    file.unlink()
    ahead = weights.read_ahead(weights.open_checkpoint(tmp_path / "a"))
    with pytest.raises(weights.CheckpointError, match=f"missing .*{file.name}"):
        weights.load(ahead, weights.expected_shapes(CONFIG))
    other = dataclasses.replace(CONFIG, max_position_embeddings=8)
    with pytest.raises(weights.CheckpointError, match="embeddings/position: config says"):
        weights.load(ahead, weights.expected_shapes(other))


# --- Arrays and tensors. --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_unset_has_shape_and_dtype(dtype):
    tensor = weights.unset((3, 4), dtype)
    assert (tensor.shape, tensor.dtype) == ((3, 4), dtype)
    assert keras.Variable(weights.unset, shape=(2,), dtype=dtype).dtype == dtype


def test_what_tensorflow_read_is_not_copied():
    tensor = tf.random.normal((300, 200))
    assert pointer(weights.to_tensor(to_array(tensor))) == pointer(tensor)
    turned = transposed(to_array(tensor))
    np.testing.assert_array_equal(turned, to_array(tensor).T)
    assert pointer(weights.to_tensor(turned)) == turned.ctypes.data


def test_a_shared_tensor_is_copied_before_it_is_written_to():
    array = to_array(tf.ones((300, 200)))
    variable = keras.Variable(weights.unset, shape=array.shape)
    variable.assign(weights.to_tensor(array))
    variable.assign_add(tf.ones(array.shape))
    assert (variable.numpy() == 2).all()
    assert (array == 1).all()


@pytest.mark.parametrize("shift", [0, 4])  # TensorFlow may share what begins at 64 bytes
def test_a_view_of_a_file_is_copied(tmp_path, shift):
    file = tmp_path / "numbers"
    file.write_bytes(bytes(shift) + np.ones((300, 200), np.float32).tobytes())
    array = np.asarray(np.memmap(file, np.float32, "r", shift, (300, 200)))
    tensor, turned = weights.to_tensor(array), transposed(array)
    with open(file, "r+b") as stream:
        stream.write(bytes(file.stat().st_size))
    assert (array == 0).all()
    assert (tensor.numpy() == 1).all()
    assert (turned == 1).all()


@pytest.mark.parametrize("shift", [0, 1])
def test_an_array_somebody_may_write_to_is_copied(shift):
    array = np.ones(64 * 1024 + 16, np.float32)
    start = -array.ctypes.data % 64 // 4 + shift
    part = array[start : start + 64 * 1024]
    tensor = weights.to_tensor(part)
    array[:] = 0
    assert (tensor.numpy() == 1).all()


def test_large_safetensors_are_mapped_and_small_ones_read(tmp_path):
    file, _ = write(tmp_path / "a", "huggingface")
    checkpoint = weights.open_checkpoint(file)
    two = ["bert.embeddings.word_embeddings.weight", "bert.pooler.dense.weight"]
    arrays = checkpoint.read(two)
    with open(file, "r+b") as stream:
        stream.write(bytes(file.stat().st_size))
    assert [bool(arrays[name].any()) for name in two] == [False, True]
    assert [arrays[name].flags.writeable for name in two] == [False, True]
