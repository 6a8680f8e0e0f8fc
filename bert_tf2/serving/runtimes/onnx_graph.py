"""A concrete function of TensorFlow as an ONNX graph.

Written here rather than left to tf2onnx: the operations of an encoder are few, and so a graph keeps
the names of our variables, and its layer normalisation and GELU are the operations of these names,
at which ONNX Runtime is quickest.
"""

import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

from bert_tf2.serving.runtimes.asked import SIZES
from bert_tf2.serving.runtimes.onnx_fused import fused
from bert_tf2.serving.runtimes.onnx_operations import operation_of

OPSET = 20  # the first with Gelu: ONNX Runtime 1.17 and later
IR_VERSION = 9  # of that time, so that runtimes of that time read it
ORDER = ("input_ids", "attention_mask", "token_type_ids")  # as transformers' exports have them
FLOAT, INT = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


class Graph:
    """An ONNX graph as it grows: nodes, and tensors whose values are known.

    Whole numbers are int64 throughout, as ONNX has shapes and places, and as users have ids.

    Args:
        variables: {name of a captured tensor of the function: (name, array)}.
    """

    def __init__(self, variables):
        self.variables, self.nodes, self.known_tensors = variables, [], {}
        self.names = {}  # name of a tensor in TensorFlow -> its name here

    def add(self, kind, inputs, name, count=1, **attributes):
        """Adds a node. -> the name of its output, or of several a list."""
        names = [name] if count == 1 else [f"{name}:{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return names[0] if count == 1 else names

    def known(self, array, name):
        """The name of a tensor with these values, which is kept once."""
        if name not in self.known_tensors:
            array = array.astype("int64") if array.dtype.kind in "iu" else array
            self.known_tensors[name] = numpy_helper.from_array(array, name)
        return name


def translated(function, names):
    """An `onnx.ModelProto` that computes what a concrete function does.

    Args:
        function: as from `asked.graph_of`.
        names: {`ref()` of a variable's handle: its name}; others go by the name that they have.

    Raises:
        NotImplementedError: an operation that nothing here stands for.
    """
    graph = Graph(dict(_captured(function, names)))
    inputs = [x for x in function.inputs if x.name not in graph.variables]
    inputs.sort(key=lambda x: ORDER.index(x.op.name) if x.op.name in ORDER else len(ORDER))
    graph.names = {x.name: x.op.name for x in inputs}
    answers = {
        name: function.graph.get_tensor_by_name(x.name)
        for name, x in function.structured_outputs.items()
    }
    for operation, stand_in in _wanted(answers.values()):
        _emit(graph, operation, stand_in)
    for name, x in answers.items():
        graph.add("Identity", [graph.names[x.name]], name)
    read = {name for node in graph.nodes for name in node.input}
    made = helper.make_graph(
        graph.nodes,
        "bert_tf2",
        [_described(x.op.name, x, INT) for x in inputs],
        [_described(name, x, FLOAT) for name, x in answers.items()],
        [x for name, x in graph.known_tensors.items() if name in read],
    )
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(
        made, opset_imports=[opset], ir_version=IR_VERSION, producer_name="bert_tf2"
    )


def _captured(function, names):
    """Yields the name of each captured tensor, with (name, array) of what it is."""
    variables = {v.handle.ref(): v for v in function.variables}
    for outside, inside in function.graph.captures:
        variable = variables.get(outside.ref())
        if variable is None:
            yield inside.name, (inside.op.name, outside.numpy())
        else:
            yield inside.name, (names.get(outside.ref(), variable.name), variable.numpy())


def _wanted(tensors):
    """The operations that tensors need, in their order, each with its `StandIn` or None."""
    found, left = {}, [x.op for x in tensors]
    while left:
        operation = left.pop()
        if operation.name not in found:
            stand_in = fused(operation)
            found[operation.name] = operation, stand_in
            reads = operation.inputs if stand_in is None else stand_in.reads
            left += [x.op for x in reads]
    order = (found[op.name] for op in operation.graph.get_operations() if op.name in found)
    return [*order]


def _emit(graph, operation, stand_in):
    """Adds what an operation is in ONNX."""
    name, outputs = operation.name, [x.name for x in operation.outputs]
    if operation.type == "Placeholder":
        if outputs[0] in graph.variables:
            ours, array = graph.variables[outputs[0]]
            graph.names[outputs[0]] = graph.known(array, ours)
    elif operation.type == "Const":
        value = tf.make_ndarray(operation.get_attr("value"))
        graph.names[outputs[0]] = graph.known(value, name)
    elif stand_in is not None:
        reads = [graph.names[x.name] for x in stand_in.reads]
        graph.names[outputs[0]] = stand_in.add(graph, reads, name)
    else:
        reads = [graph.names[x.name] for x in operation.inputs]
        found = operation_of(operation)(graph, operation, reads)
        found = [found] if isinstance(found, str) else found
        graph.names |= dict(zip(outputs, found, strict=True))


def _described(name, tensor, kind):
    """The `ValueInfoProto` of an input or output: sizes that vary have optimum's names."""
    sizes = tensor.shape.as_list()
    words = SIZES[3 if kind == INT and len(sizes) == 3 else 2]
    shape = [words[i] if n is None and i < len(words) else n for i, n in enumerate(sizes)]
    return helper.make_tensor_value_info(name, kind, shape)
