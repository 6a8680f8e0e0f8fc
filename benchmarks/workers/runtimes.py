"""What `export_onnx` and `export_litert` write, at work. A variant is "onnx_int8" and such."""

from pathlib import Path

from benchmarks.workers import protocol
from benchmarks.workers.protocol import Prepared


def write(question):
    """Sets up `serve` of a variant such as "onnx_int8": writes the folder of that runtime."""
    import bert_tf2
    from bert_tf2.serving.runtimes.export import export

    clf = bert_tf2.TextClassifier.from_preset(question["google"], labels=2)
    format, _, precision = question["variant"].partition("_")
    export(clf, question["runtime"], format, precision or "float32")
    return Prepared()


def serve(question):
    """From a raw string by the tokenizer's file, or from ids."""
    import numpy as np
    import tokenizers

    from benchmarks.workers.keras_training import read_batch
    from bert_tf2.serving.runtimes.export import RUNTIMES

    folder = Path(question["runtime"])
    home = RUNTIMES[question["variant"].partition("_")[0]].home
    run = home.opened(folder / home.FILE, question["threads"])
    cut = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    names = {"input_ids": "token_ids", "attention_mask": "padding_mask"}
    names |= {"token_type_ids": "segment_ids"}
    given = read_batch(question["batch"])[0]
    ids = {theirs: np.asarray(given[ours]) for theirs, ours in names.items()}

    def of_text():
        row = cut.encode(question["text"])
        return {name: np.array([getattr(row, word)]) for name, word in words.items()}

    def answer():
        return run(ids if question.get("ids") else of_text())["logits"]

    def once():
        for _ in range(question["calls"]):
            answer()

    once()
    return Prepared(once, answer())


if __name__ == "__main__":
    kinds = (write, serve)
    protocol.serve({k.__name__: k for k in kinds}, ("onnxruntime", "ai-edge-litert"))
