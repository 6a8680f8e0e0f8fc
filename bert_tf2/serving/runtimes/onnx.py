"""A task as an ONNX model, for ONNX Runtime and what reads its files."""

from bert_tf2.serving.runtimes import asked

FILE = "model.onnx"
PRECISIONS = ("float32", "float16", "int8")
LIMIT = 2_000_000_000  # bytes of one file: what a message of protocol buffers can hold


def model_of(task, precision="float32"):
    """An `onnx.ModelProto`: see `export_onnx`.

    Args:
        task: a task model; it is left alone.
        precision: one of `PRECISIONS`.

    Returns:
        the model, and the concrete function that it was made of.
    """
    from bert_tf2.serving.runtimes import onnx_graph, onnx_precision

    function, names = asked.graph_of(task, "int64", task.drop_padding)
    model = onnx_graph.translated(function, names)
    if precision == "float16":
        model = onnx_precision.as_float16(model)
    elif precision == "int8":
        model = onnx_precision.as_int8(model, asked.inner_weights(task))
    return model, function


def write(folder, task, precision):
    """Writes `FILE`, and where the weights are too many for it `FILE`_data. -> the function."""
    import onnx

    model, function = model_of(task, precision)
    size = sum(len(x.raw_data) for x in model.graph.initializer)
    where = {"save_as_external_data": True, "location": f"{FILE}_data"} if size > LIMIT else {}
    onnx.save_model(model, folder / FILE, **where)
    return function


def opened(file, threads=None):
    """A function of {input: int array} that gives {output: array}, of a file.

    Args:
        file: an ONNX model.
        threads: int; default: as many as there are cores.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_outputs()]
    wanted = {x.name for x in session.get_inputs()}

    def run(ids):
        given = {name: x.astype("int64") for name, x in ids.items() if name in wanted}
        return dict(zip(names, session.run(names, given), strict=True))

    return run
