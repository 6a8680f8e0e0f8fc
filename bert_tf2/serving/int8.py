"""Dense layers in 8-bit integers, with an operation that stock TensorFlow has, and tables of rows.

Letters: T tokens, K inputs and N outputs of a layer, V rows of a table, E its width.

A layer `x @ kernel + bias` becomes

    largest = max |x|, one for each token                       (T, 1) float32
    rows    = x * 127 / largest, rounded, + 128                 (T, K) uint8
    codes   = kernel / columns, rounded, -64 … 64               (K, N) int8
    y       = ((rows - 128) @ codes) * largest * columns / 127 + bias

with `columns` (N,) fitted to each output of the kernel, once, and `largest` to each token, every
time: no token's numbers depend on the tokens beside it, and no calibration data are needed. The
product is exact in integers.

`_QuantizedMatMul` is oneDNN's product of uint8 by int8, in TensorFlow for x86 (checked with 2.21).
Processors with AVX512-VNNI, AVX-VNNI or AMX have an instruction for it. Others add pairs of
products in 16 bits, and pairs that do not fit come out wrong without a word; codes of at most 64
always fit (2 * 255 * 64 < 2^15), so that every processor gives the same integers. This costs one
bit of a kernel's eight; the rounding of activations is the greater part of the error even so.

A table of words, positions or segments has codes of its own, -127 … 127, and a scale for each row.
"""

import numpy as np
import tensorflow as tf

LARGEST_CODE, LARGEST_IN_ROW = 64, 127
_LARGEST_ROW, _ZERO_ROW = 127.0, 128.0


def quantize_dense(encoder):
    """Gives the dense layers of an encoder's blocks another `call`, for inference alone.

    All else, attention's own products, softmax, norms, embeddings, pooler, stays as it is. It is
    meant for an encoder that is to be exported and then dropped: its own kernels are read no more,
    so new values for them have no effect.

    Args:
        encoder: an `Encoder` with the dtype policy "float32".

    Raises:
        RuntimeError: later, when the layers are traced, where this TensorFlow lacks the operation.
    """
    shared = _Shared()
    for layer in encoder.dense_layers().values():
        layer.call = _Int8Dense(layer, shared)


def quantize_tables(embeddings, others=()):
    """Has an encoder's embeddings look up rows of 8 bits, for inference alone, as `quantize_dense`.

    Args:
        embeddings: its `Embeddings`.
        others: names of tables that are to stay as they are.
    """
    tables = embeddings.source().tables
    embeddings.look_up = _Int8Rows([x for name, x in tables.items() if name not in others])


def quantize_rows(table):
    """(V, E) float32 -> codes (V, E) int8 and scales (V, 1) float32: codes * scales."""
    scales = np.abs(table).max(axis=1, keepdims=True) / LARGEST_IN_ROW
    scales = np.where(scales > 0, scales, 1.0).astype("float32")
    return np.rint(table / scales).astype("int8"), scales


def quantize_kernel(kernel):
    """(K, N) float32 -> codes (K, N) int8 in -64 … 64, and columns (N,) float32: codes * columns.

    The rounding is off by at most half a column's value. A column of zeros stays one.
    """
    columns = np.abs(kernel).max(axis=0) / LARGEST_CODE
    columns = np.where(columns > 0, columns, 1.0).astype("float32")
    return np.rint(kernel / columns).astype("int8"), columns


class _Int8Dense:
    """Called in a dense layer's place: x (T, K) float32 -> (T, N) float32."""

    def __init__(self, layer, shared):
        codes, columns = quantize_kernel(layer.kernel.numpy())
        offset = -_ZERO_ROW * codes.sum(axis=0, dtype="int64")
        self._layer, self._shared = layer, shared
        self._codes = tf.Variable(tf.bitcast(codes, tf.qint8), trainable=False)
        self._offset = tf.constant(offset, tf.float32)
        self._columns = tf.constant(columns / _LARGEST_ROW)
        self._bias = tf.constant(layer.bias.numpy())

    def __call__(self, x, training=None):
        rows, largest = self._shared.rows(x)
        y = _multiply(rows, self._codes, self._offset, self._shared.bounds)  # (T, N)
        y = tf.nn.bias_add(y * largest * self._columns, self._bias)
        activation = self._layer.activation
        return y if activation is None else activation(y)


class _Int8Rows:
    """Called in the place of `Embeddings.look_up`: a table, ids (T,) -> (T, E) float32."""

    def __init__(self, tables):
        self._tables = tables  # held, so that no other can get the id of one
        self._coded = {
            id(table): [tf.Variable(x, trainable=False) for x in quantize_rows(table.numpy())]
            for table in tables
        }

    def __call__(self, table, ids):
        if id(table) not in self._coded:
            return tf.gather(table, ids)
        codes, scales = (tf.gather(x, ids) for x in self._coded[id(table)])
        return tf.cast(codes, tf.float32) * scales


class _Shared:
    """What all layers have in common, so that a graph has it once."""

    def __init__(self):
        self.bounds = tf.constant(255.0), tf.constant(127.0)
        self._rows = {}  # holds the tensors, too, so that no other can get their id

    def rows(self, x):
        """x (T, K) -> rows (T, K) quint8, largest (T, 1)."""
        key = x.ref()
        if key not in self._rows:
            largest = tf.reduce_max(tf.abs(x), axis=-1, keepdims=True)
            scaled = x * tf.math.divide_no_nan(_LARGEST_ROW, largest)
            # The cast cuts off what is behind the point: with a half more it rounds.
            self._rows[key] = tf.cast(scaled + (_ZERO_ROW + 0.5), tf.quint8), largest
        return self._rows[key]


def _multiply(rows, codes, offset, bounds):
    """rows (T, K) quint8 @ codes (K, N) qint8 + offset (N,) float32 -> (T, N) float32.

    The operation has one scale for all rows, and keeps what it has compiled by its scales. So it is
    told the bounds that make them 1, and ours are applied to its answer.
    """
    row_bound, code_bound = bounds
    codes = tf.convert_to_tensor(codes)
    inputs = [rows, codes, offset, row_bound, row_bound, code_bound, code_bound]
    inputs = [tf.convert_to_tensor(x) for x in inputs]
    attributes = _ATTRIBUTES | {"Tdevice_inputs": _types(*(x.dtype for x in inputs))}
    operation = tf.compat.v1.get_default_graph().create_op(
        "_QuantizedMatMul",  # not in tf.raw_ops, where no name begins with an underscore
        inputs,
        [tf.float32],
        attrs=attributes,
        name="int8_matmul",
    )
    (y,) = operation.outputs
    y.set_shape([None, codes.shape[1]])
    return y


_Attribute = tf.compat.v1.AttrValue


def _types(*dtypes):
    """The attribute that is a list of dtypes."""
    return _Attribute(list=_Attribute.ListValue(type=[x.as_datatype_enum for x in dtypes]))


_ATTRIBUTES = {
    "T1": _Attribute(type=tf.quint8.as_datatype_enum),
    "T2": _Attribute(type=tf.qint8.as_datatype_enum),
    "Tbias": _Attribute(type=tf.float32.as_datatype_enum),
    "Tout": _Attribute(type=tf.float32.as_datatype_enum),
    "Tdevice_outputs": _types(tf.float32),
    "Thost_inputs": _types(),
    "Thost_outputs": _types(),
    "fused_ops": _Attribute(list=_Attribute.ListValue(s=[b"BiasAdd", b"Dequantize"])),
    "input_quant_mode": _Attribute(s=b"SCALED"),
    # Kept in the processor's own order from the first call on: values must not change after it.
    "is_weight_const": _Attribute(b=True),
    "is_bias_const": _Attribute(b=True),
}
