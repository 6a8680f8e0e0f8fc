"""An ONNX graph in fewer bits.

Letters: T tokens, K inputs and N outputs of a product, V rows of a table, E its width.

int8 is that of our SavedModels (`serving.int8`), in operations of the standard: a scale for each
token and for each column of a kernel, so that no answer depends on what is asked beside it. ONNX
Runtime's own `quantize_dynamic` has one scale for all tokens of a batch, and is farther off.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from bert_tf2.serving.int8 import quantize_kernel, quantize_rows

LARGEST = 127
ZERO = 128  # the code of 0 in an activation


def as_float16(model):
    """The same graph in 16 bits; what goes in and comes out stays as it is.

    Source: onnxruntime.transformers, `float16.py`.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=True)


def as_int8(model, names):
    """The same graph with weights in 8 bits: products of integers, and tables row by row.

    Args:
        model: an `onnx.ModelProto`, which is changed.
        names: of the weights that may lose digits; others, such as those of logits, keep theirs.

    Returns:
        the model.
    """
    graph = model.graph
    arrays = {x.name: numpy_helper.to_array(x) for x in graph.initializer if x.name in names}
    smaller = _Smaller(arrays)
    nodes = [new for node in graph.node for new in smaller.nodes_of(node)]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(smaller.added.values())
    read = {name for node in nodes for name in node.input}
    kept = [x for x in graph.initializer if x.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return model


class _Smaller:
    """Nodes in place of those that read certain weights.

    Args:
        arrays: {name: array} of these weights.
    """

    def __init__(self, arrays):
        self.arrays, self.added, self.coded = arrays, {}, set()

    def nodes_of(self, node):
        """Yields what stands for a node."""
        if node.op_type == "Gather" and node.input[0] in self.arrays:
            yield from self._look_up(node)
        elif node.op_type in ("MatMul", "Gemm") and node.input[1] in self.arrays:
            yield from self._product(node)
        else:
            yield node

    def _known(self, name, array):
        if name not in self.added:
            self.added[name] = numpy_helper.from_array(array, name)
        return name

    def _look_up(self, node):
        table, rows = node.input
        (name,) = node.output
        codes, scales = quantize_rows(self.arrays[table])
        codes = self._known(f"{table}:codes", codes)
        scales = self._known(f"{table}:scales", scales)
        yield _node("Gather", [codes, rows], f"{name}:codes", axis=0)
        yield _node("Gather", [scales, rows], f"{name}:scales", axis=0)
        yield _node("Cast", [f"{name}:codes"], f"{name}:cast", to=TensorProto.FLOAT)
        yield _node("Mul", [f"{name}:cast", f"{name}:scales"], name)

    def _product(self, node):
        """x (T, K) @ kernel (K, N): see `serving.int8`."""
        x, kernel = node.input
        (name,) = node.output
        array = self.arrays[kernel].T if node.op_type == "Gemm" else self.arrays[kernel]
        codes, columns = quantize_kernel(array)
        codes = self._known(f"{kernel}:kernel_codes", np.ascontiguousarray(codes))
        columns = self._known(f"{kernel}:columns", columns)
        zero = self._known("zero", np.array(ZERO, "uint8"))
        yield from self._rows(x)
        yield _node("MatMulInteger", [f"{x}:rows", codes, zero], f"{name}:product")
        yield _node("Cast", [f"{name}:product"], f"{name}:cast", to=TensorProto.FLOAT)
        yield _node("Mul", [f"{name}:cast", f"{x}:scale"], f"{name}:by_token")
        yield _node("Mul", [f"{name}:by_token", columns], name)

    def _rows(self, x):
        """x (T, K) -> `rows` (T, K) uint8 and `scale` (T, 1), once for all that read it."""
        if x in self.coded:
            return
        self.coded.add(x)
        last = self._known("last_axis", np.array([-1], "int64"))
        least = self._known("least", np.array(1e-30, "float32"))
        largest = self._known("largest", np.array(LARGEST, "float32"))
        zeros = self._known("zeros", np.array([ZERO], "uint8"))
        yield _node("ReduceMax", [x, last], f"{x}:most", keepdims=1)
        yield _node("ReduceMin", [x, last], f"{x}:fewest", keepdims=1)
        yield _node("Neg", [f"{x}:fewest"], f"{x}:negative")
        yield _node("Max", [f"{x}:most", f"{x}:negative", least], f"{x}:size")
        yield _node("Div", [f"{x}:size", largest], f"{x}:scale")
        yield _node("Squeeze", [f"{x}:scale", last], f"{x}:scales")
        yield _node("Shape", [f"{x}:scales"], f"{x}:count")
        yield _node("Expand", [zeros, f"{x}:count"], f"{x}:zeros")
        yield _node("QuantizeLinear", [x, f"{x}:scales", f"{x}:zeros"], f"{x}:rows", axis=0)


def _node(kind, inputs, name, **attributes):
    return helper.make_node(kind, inputs, [name], name, **attributes)
