"""ONNX Runtime at work on the transformers model.

Best: after its optimizer for BERT. int8: its dynamic quantization of that.
"""

import numpy as np

from benchmarks.workers import protocol, vectors
from benchmarks.workers.protocol import Prepared

NAMES = {
    "input_ids": "token_ids",
    "token_type_ids": "segment_ids",
    "attention_mask": "padding_mask",
}


def _session(question):
    """-> a function of a batch of ids, arrays by our names, that gives the first output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = question["threads"]
    options.inter_op_num_threads = 1
    file = {"": "onnx", "best": "onnx_best", "int8": "onnx_int8"}[question["variant"]]
    session = onnxruntime.InferenceSession(
        question[file], options, providers=["CPUExecutionProvider"]
    )
    wanted = {entry.name for entry in session.get_inputs()}
    first = session.get_outputs()[0].name

    def on(arrays):
        feed = {k: arrays[v].astype(np.int64) for k, v in NAMES.items() if k in wanted}
        return session.run([first], feed)[0]

    return on


def _run(question):
    """-> a function of a batch file that gives a function that runs the first output on it."""
    session = _session(question)

    def on(path):
        with np.load(path) as arrays:
            batch = {name: arrays[name].astype(np.int64) for name in NAMES.values()}
        return lambda: session(batch), batch["padding_mask"]

    return on


def optimize(question):
    """Sets up "best": fuses what a BERT is made of."""
    from onnxruntime.transformers import optimizer

    sizes = {"num_heads": 12, "hidden_size": 768}
    fused = optimizer.optimize_model(question["onnx"], "bert", opt_level=0, **sizes)
    fused.save_model_to_file(question["onnx_best"])
    return Prepared()


def quantize(question):
    """Sets up "int8": `quantize_dynamic`, per channel."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(question["onnx_best"])
    del model.graph.value_info[:]  # the export's shapes trip its shape inference
    quantize_dynamic(
        model,
        question["onnx_int8"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # what fused nodes give
    )
    return Prepared()


def forward(question):
    """All vectors of a batch of ids."""
    on = _run(question)
    run, _ = on(question["batch"])
    check, mask = on(question["check_batch"])

    def once():
        run()

    once()
    return Prepared(once, check()[mask == 1])


def embed(question):
    """Raw strings -> vectors, as sentence-transformers does on ONNX Runtime: the longest first."""
    import tokenizers

    on, texts = _session(question), question["asked"]["text"]
    cut = tokenizers.Tokenizer.from_file(f"{question['huggingface']}/tokenizer.json")
    cut.enable_truncation(256)
    cut.enable_padding()
    words = {"token_ids": "ids", "segment_ids": "type_ids", "padding_mask": "attention_mask"}

    def encode():
        found = np.empty((len(texts), question["width"]), "float32")
        for rows in vectors.longest_first(texts):
            rows_cut = cut.encode_batch([texts[i] for i in rows])
            part = {n: np.array([getattr(row, w) for row in rows_cut]) for n, w in words.items()}
            found[rows] = vectors.mean_of_tokens(on(part), part["padding_mask"])
        return found

    def once():
        encode()

    return Prepared(once, encode())


def serve(question):
    """One text, given as ids."""
    run, _ = _run(question)(question["batch"])

    def once():
        for _ in range(question["calls"]):
            run()

    once()
    return Prepared(once, run())


if __name__ == "__main__":
    kinds = (optimize, quantize, forward, serve, embed)
    protocol.serve({k.__name__: k for k in kinds}, ("onnxruntime",))
