"""The machine's own limit: a large matrix product of TensorFlow, in FLOP/s."""

from benchmarks.workers import protocol
from benchmarks.workers.protocol import Prepared

SIZE = 4096


def _float(dtype):
    import tensorflow as tf

    a = tf.cast(tf.random.stateless_normal([SIZE, SIZE], (1, 2)), dtype)
    return lambda: tf.matmul(a, a)[0, 0].numpy()


def _int8():
    """The integer product of oneDNN in TensorFlow: uint8 by int8 into int32."""
    import tensorflow as tf

    codes = tf.cast(tf.random.stateless_uniform([SIZE, SIZE], (1, 2), 0, 127, tf.int32), tf.int8)
    a, b = tf.bitcast(codes, tf.quint8), tf.bitcast(codes, tf.qint8)
    bias = tf.zeros([SIZE])

    @tf.function
    def product():
        out, _, _ = tf.raw_ops.QuantizedMatMulWithBias(
            a=a, b=b, bias=bias, min_a=0.0, max_a=1.0, min_b=-1.0, max_b=1.0,
            Toutput=tf.qint32, input_quant_mode="SCALED",
        )  # fmt: skip
        return tf.bitcast(out, tf.int32)[0, 0]

    return lambda: product().numpy()


def matmul(question):
    """One product a round, and how many operations a second that were."""
    dtype = question["dtype"]
    product = _int8() if dtype == "int8" else _float(dtype)
    product()

    def once():
        clock = protocol.Clock()
        product()
        return {"flops": 2 * SIZE**3 / clock.read()["wall"]}

    return Prepared(once)


if __name__ == "__main__":
    protocol.serve({"matmul": matmul}, ("tensorflow",))
