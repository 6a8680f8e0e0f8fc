"""The messages of TensorFlow Serving's gRPC API <-> NumPy arrays. It needs the extra `grpc`.

They are those of `tensorflow-serving-api`, which TensorFlow Serving's own clients use.
"""

import json

import tensorflow as tf
from google.protobuf import json_format, struct_pb2
from tensorflow.core.framework import types_pb2

try:
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        predict_pb2,
        prediction_service_pb2_grpc,
    )
except ImportError as error:
    raise ImportError(
        "gRPC needs tensorflow-serving-api: pip install 'bert_tf2[grpc]', or pip install "
        "tensorflow-serving-api"
    ) from error

ABOUT = "bert_tf2"  # beside a model's signatures: its task and labels, which nobody else tells
SIGNATURES = "signature_def"
AS_IT_IS = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}

prediction_stub = prediction_service_pb2_grpc.PredictionServiceStub
PredictRequest = predict_pb2.PredictRequest
MetadataRequest = get_model_metadata_pb2.GetModelMetadataRequest
StatusRequest = get_model_status_pb2.GetModelStatusRequest


def kind_of(dtype):
    """NumPy's dtype of what a `SignatureDef` names, such as "DT_INT32"."""
    return tf.dtypes.as_dtype(types_pb2.DataType.Value(dtype)).as_numpy_dtype


def name_of(number):
    """The name of a tensor's kind, such as "int32"."""
    try:
        return tf.dtypes.as_dtype(number).name if number else "none"
    except TypeError:
        return f"kind {number}"


def arrays(tensors):
    """A message's map of tensors -> dict of arrays; strings are object arrays of bytes.

    Raises:
        ValueError, TypeError: a tensor whose values do not fit its shape or kind.
    """
    return {name: tf.make_ndarray(tensor) for name, tensor in sorted(tensors.items())}


def fill(tensors, arrays):
    """Writes arrays into a message's map of tensors."""
    for name, array in arrays.items():
        kind = tf.string if array.dtype == object else None
        tensors[name].CopyFrom(tf.make_tensor_proto(array, kind, array.shape))


def _name(spec, model, version, signature=""):
    spec.name, spec.signature_name = model, signature
    if version is not None:
        spec.version.value = int(version)


def predict_request(model, version, signature, arrays):
    """A `PredictRequest`; `version` None: the newest."""
    request = predict_pb2.PredictRequest()
    _name(request.model_spec, model, version, signature)
    fill(request.inputs, arrays)
    return request


def predict_response(model, version, signature, arrays):
    """A `PredictResponse`."""
    response = predict_pb2.PredictResponse()
    _name(response.model_spec, model, version, signature)
    fill(response.outputs, arrays)
    return response


def metadata_request(model, version):
    """A `GetModelMetadataRequest` of a model's signatures."""
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=[SIGNATURES])
    _name(request.model_spec, model, version)
    return request


def metadata_response(model, version, definitions, about):
    """A `GetModelMetadataResponse` of signatures in the words of JSON, and what we tell besides."""
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    _name(response.model_spec, model, version)
    found = get_model_metadata_pb2.SignatureDefMap()
    json_format.ParseDict({"signature_def": definitions}, found)
    response.metadata[SIGNATURES].Pack(found)
    response.metadata[ABOUT].Pack(json_format.ParseDict(about, struct_pb2.Struct()))
    return response


def definitions(response):
    """The signatures in a `GetModelMetadataResponse`, in the words of JSON."""
    found = get_model_metadata_pb2.SignatureDefMap()
    response.metadata[SIGNATURES].Unpack(found)
    return json.loads(json_format.MessageToJson(found, **AS_IT_IS))["signature_def"]


def about(response):
    """What a `GetModelMetadataResponse` of a server of ours tells besides: a dict, or {}."""
    found = struct_pb2.Struct()
    response.metadata[ABOUT].Unpack(found)
    return json_format.MessageToDict(found)


def status_response(states):
    """A `GetModelStatusResponse` of dicts as the REST API has them."""
    response = get_model_status_pb2.GetModelStatusResponse()
    json_format.ParseDict({"model_version_status": states}, response)
    return response
