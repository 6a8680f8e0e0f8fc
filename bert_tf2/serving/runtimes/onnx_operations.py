"""What each operation of TensorFlow's graphs is in ONNX: a table, and functions for the rest.

A function gets the graph, the operation and the names of its inputs, and adds nodes named after the
operation. -> the name of its output, or a list of several.
"""

import numpy as np
import onnx
import tensorflow as tf

# One node of the same inputs: those of the same name, and others.
_NAMES = "Mul Sub Neg Sqrt Exp Log Pow Abs Floor Erf Tanh Relu Sigmoid Softplus Less Greater Equal"
SAME = {name: name for name in f"{_NAMES} Shape Range Tile Reshape".split()}
SAME |= {"AddV2": "Add", "BiasAdd": "Add", "RealDiv": "Div", "Maximum": "Max", "Minimum": "Min"}
SAME |= {"LogicalAnd": "And", "LogicalOr": "Or", "LogicalNot": "Not", "SelectV2": "Where"}
SAME |= {"GreaterEqual": "GreaterOrEqual", "LessEqual": "LessOrEqual", "BroadcastTo": "Expand"}
SAME |= {"FloorDiv": "Div", "FloorMod": "Mod"}  # of whole numbers that are not negative
REDUCED = {"Mean": "ReduceMean", "Sum": "ReduceSum", "Max": "ReduceMax", "Min": "ReduceMin"}
REDUCED |= {"Prod": "ReduceProd"}
END = np.iinfo("int64").max  # of a slice: all that there is


def operation_of(operation):
    """The function that adds an operation. Raises NotImplementedError where there is none."""
    kind = operation.type
    if kind in SAME:
        return _same
    if kind in REDUCED:
        return _reduced
    if kind not in OTHERS:
        raise NotImplementedError(
            f"An ONNX graph cannot be made of this model: nothing stands for {kind} "
            f"({operation.name})."
        )
    return OTHERS[kind]


def _unchanged(graph, operation, inputs):
    return inputs


def _same(graph, operation, inputs):
    return graph.add(SAME[operation.type], inputs, operation.name)


def _value(operation, place):
    """The values of an input that must be constant, as an array."""
    value = tf.get_static_value(operation.inputs[place])
    if value is None:
        raise NotImplementedError(
            f"An ONNX graph cannot be made of this model: {operation.name} ({operation.type}) has "
            f"an input that is not known beforehand: {operation.inputs[place].name}"
        )
    return np.asarray(value)


def _axes(graph, operation, place=1):
    axes = np.reshape(_value(operation, place), [-1])
    return graph.known(axes, f"{operation.name}:axes")


def _reduced(graph, operation, inputs):
    axes, keep = _axes(graph, operation), int(operation.get_attr("keep_dims"))
    return graph.add(REDUCED[operation.type], [inputs[0], axes], operation.name, keepdims=keep)


def _number(graph, operation, value):
    """A number of the operation's dtype, by name."""
    value = np.asarray(value, operation.outputs[0].dtype.as_numpy_dtype)
    return graph.known(value, f"{operation.name}:number")


def _softmax(graph, operation, inputs):
    return graph.add(operation.type, inputs, operation.name, axis=-1)


def _squared_difference(graph, operation, inputs):
    difference = graph.add("Sub", inputs, f"{operation.name}:difference")
    return graph.add("Mul", [difference, difference], operation.name)


def _square(graph, operation, inputs):
    return graph.add("Mul", inputs * 2, operation.name)


def _rsqrt(graph, operation, inputs):
    root = graph.add("Sqrt", inputs, f"{operation.name}:root")
    return graph.add("Reciprocal", [root], operation.name)


def _log1p(graph, operation, inputs):
    more = graph.add("Add", [*inputs, _number(graph, operation, 1)], f"{operation.name}:more")
    return graph.add("Log", [more], operation.name)


def _erfc(graph, operation, inputs):
    erf = graph.add("Erf", inputs, f"{operation.name}:erf")
    return graph.add("Sub", [_number(graph, operation, 1), erf], operation.name)


def _not_equal(graph, operation, inputs):
    equal = graph.add("Equal", inputs, f"{operation.name}:equal")
    return graph.add("Not", [equal], operation.name)


def _cast(graph, operation, inputs):
    ours, wanted = operation.inputs[0].dtype, operation.outputs[0].dtype
    if ours.is_integer and wanted.is_integer:
        return inputs[0]
    kinds = {tf.bool: onnx.TensorProto.BOOL, tf.float32: onnx.TensorProto.FLOAT}
    return graph.add("Cast", inputs, operation.name, to=kinds.get(wanted, onnx.TensorProto.INT64))


def _like(number):
    def filled(graph, operation, inputs):
        shape = graph.add("Shape", inputs, f"{operation.name}:shape")
        return graph.add("Expand", [_number(graph, operation, number), shape], operation.name)

    return filled


def _fill(graph, operation, inputs):
    return graph.add("Expand", inputs[::-1], operation.name)


# === Shapes =======================================================================================


def _expand_dims(graph, operation, inputs):
    return graph.add("Unsqueeze", [inputs[0], _axes(graph, operation)], operation.name)


def _squeeze(graph, operation, inputs):
    axes = np.array(operation.get_attr("squeeze_dims"), "int64")
    return graph.add(
        "Squeeze", [inputs[0], graph.known(axes, f"{operation.name}:axes")], operation.name
    )


def _transpose(graph, operation, inputs):
    return graph.add("Transpose", inputs[:1], operation.name, perm=_value(operation, 1).tolist())


def _concat(graph, operation, inputs):
    axis = int(_value(operation, len(inputs) - 1))
    return graph.add("Concat", inputs[:-1], operation.name, axis=axis)


def _pack(graph, operation, inputs):
    axis, name = operation.get_attr("axis"), operation.name
    at = graph.known(np.array([axis]), f"{name}:axis")
    parts = [graph.add("Unsqueeze", [x, at], f"{name}:{i}") for i, x in enumerate(inputs)]
    return graph.add("Concat", parts, name, axis=axis)


def _unpack(graph, operation, inputs):
    axis, count, name = operation.get_attr("axis"), operation.get_attr("num"), operation.name
    at = graph.known(np.array([axis]), f"{name}:axis")
    if count == 1:
        return [graph.add("Squeeze", [inputs[0], at], name)]
    parts = graph.add("Split", inputs, f"{name}:split", count, axis=axis, num_outputs=count)
    return [graph.add("Squeeze", [part, at], f"{name}:{i}") for i, part in enumerate(parts)]


def _strided_slice(graph, operation, inputs):
    begins, ends, steps = (_value(operation, place).tolist() for place in (1, 2, 3))
    bits = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    masks = [[operation.get_attr(bit) >> i & 1 for bit in bits] for i in range(len(begins))]
    cuts, squeezed, new, axis, out = [], [], [], 0, 0
    for (no_begin, no_end, ellipsis, is_new, shrinks), begin, end, step in zip(
        masks, begins, ends, steps, strict=True
    ):
        if ellipsis:
            raise NotImplementedError(f"An ONNX graph cannot have the ellipsis of {operation.name}")
        if is_new:
            new.append(out)
        elif shrinks:
            cuts.append((begin, END if begin == -1 else begin + 1, axis, 1))
            squeezed.append(axis)
        elif not (no_begin and no_end and step == 1):
            cuts.append((0 if no_begin else begin, END if no_end else end, axis, step))
        axis += not is_new
        out += not shrinks
    return _cut(graph, operation.name, inputs[0], cuts, squeezed, new)


def _cut(graph, name, x, cuts, squeezed, new):
    if cuts:
        words = ("starts", "ends", "axes", "steps")
        parts = [
            graph.known(np.array(part), f"{name}:{word}")
            for word, part in zip(words, zip(*cuts, strict=True), strict=True)
        ]
        x = graph.add("Slice", [x, *parts], f"{name}:slice")
    for kind, axes in (("Squeeze", squeezed), ("Unsqueeze", new)):
        if axes:
            at = graph.known(np.array(axes), f"{name}:{kind.lower()}d")
            x = graph.add(kind, [x, at], f"{name}:{kind.lower()}")
    return x


# === Products and look-ups ========================================================================


def _turned(graph, operation, x, place):
    """An input with its last two axes exchanged."""
    perm = [*range(operation.inputs[place].shape.rank)]
    perm[-2:] = perm[:-3:-1]
    return graph.add("Transpose", [x], f"{operation.name}:turned_{place}", perm=perm)


def _product(*attributes):
    def multiplied(graph, operation, inputs):
        sides = [
            _turned(graph, operation, x, place) if operation.get_attr(attribute) else x
            for place, (x, attribute) in enumerate(zip(inputs, attributes, strict=True))
        ]
        return graph.add("MatMul", sides, operation.name)

    return multiplied


def _gather(graph, operation, inputs):
    axis, along = int(_value(operation, 2)), operation.get_attr("batch_dims")
    if along == 0:
        return graph.add("Gather", inputs[:2], operation.name, axis=axis)
    if along == axis == operation.inputs[1].shape.rank - 1:
        at = graph.known(np.array([-1]), f"{operation.name}:last")
        places = graph.add("Unsqueeze", [inputs[1], at], f"{operation.name}:places")
        return graph.add("GatherND", [inputs[0], places], operation.name, batch_dims=along)
    raise NotImplementedError(f"An ONNX graph cannot have the look-up of {operation.name}")


def _cumsum(graph, operation, inputs):
    axis = graph.known(_value(operation, 1), f"{operation.name}:axis")
    flags = {word: int(operation.get_attr(word)) for word in ("exclusive", "reverse")}
    return graph.add("CumSum", [inputs[0], axis], operation.name, **flags)


def _arg_max(graph, operation, inputs):
    axis = int(_value(operation, 1))
    return graph.add("ArgMax", inputs[:1], operation.name, axis=axis, keepdims=0)


def _top_k(graph, operation, inputs):
    count = graph.known(np.reshape(_value(operation, 1), [1]), f"{operation.name}:count")
    return graph.add("TopK", [inputs[0], count], operation.name, 2, axis=-1)


def _pad(graph, operation, inputs):
    pads = graph.known(np.ravel(_value(operation, 1).T), f"{operation.name}:pads")
    return graph.add("Pad", [inputs[0], pads, *inputs[2:]], operation.name)


def _where(graph, operation, inputs):
    found = graph.add("NonZero", inputs, f"{operation.name}:found")
    return graph.add("Transpose", [found], operation.name, perm=[1, 0])


OTHERS = {
    **dict.fromkeys(("Identity", "IdentityN", "StopGradient", "ReadVariableOp"), _unchanged),
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "SquaredDifference": _squared_difference,
    "Square": _square,
    "Rsqrt": _rsqrt,
    "Log1p": _log1p,
    "Erfc": _erfc,
    "NotEqual": _not_equal,
    "Cast": _cast,
    "ZerosLike": _like(0),
    "OnesLike": _like(1),
    "Fill": _fill,
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "ConcatV2": _concat,
    "Pack": _pack,
    "Unpack": _unpack,
    "StridedSlice": _strided_slice,
    "MatMul": _product("transpose_a", "transpose_b"),
    "BatchMatMulV2": _product("adj_x", "adj_y"),
    "GatherV2": _gather,
    "Cumsum": _cumsum,
    "ArgMax": _arg_max,
    "Where": _where,
    **dict.fromkeys(("Pad", "PadV2"), _pad),
    "TopKV2": _top_k,
}
