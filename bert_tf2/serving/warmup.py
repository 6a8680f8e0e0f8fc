"""The requests that TensorFlow Serving answers to itself before it serves a version.

A graph is optimised at its first answer, for most of a second: with these, no client waits for it.
The file is a TFRecord of `PredictionLog`s (tensorflow/serving, apis/prediction_log.proto). Their
fields are written here by number, as TensorFlow itself does not carry these messages.
"""

import tensorflow as tf

FILE = "tf_serving_warmup_requests"  # its name in `assets.extra`, which TensorFlow Serving knows
PREDICT_LOG, REQUEST = 6, 1  # of PredictionLog, and of PredictLog
MODEL_SPEC, INPUTS = 1, 2  # of PredictRequest
NAME, SIGNATURE_NAME = 1, 3  # of ModelSpec
KEY, VALUE = 1, 2  # of an entry of a map


def write(folder, name, requests):
    """Writes that file.

    Args:
        folder: the `assets.extra` of a SavedModel.
        name: of the model, as clients call it.
        requests: {signature: {name: tensor}}.
    """
    with tf.io.TFRecordWriter(str(folder / FILE)) as writer:
        for signature, inputs in requests.items():
            writer.write(prediction_log(name, signature, inputs))


def prediction_log(name, signature, inputs):
    """One request as a serialized `PredictionLog`."""
    spec = _field(NAME, name.encode()) + _field(SIGNATURE_NAME, signature.encode())
    request = _field(MODEL_SPEC, spec)
    for key, tensor in inputs.items():
        value = tf.make_tensor_proto(tensor).SerializeToString()
        request += _field(INPUTS, _field(KEY, key.encode()) + _field(VALUE, value))
    return _field(PREDICT_LOG, _field(REQUEST, request))


def _field(number, content):
    """Bytes as a field of a message: its tag, their number, they themselves."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    """A whole number in seven bits a byte, the lowest first."""
    low = bytes([value & 127 | (128 if value > 127 else 0)])
    return low + (_varint(value >> 7) if value > 127 else b"")
