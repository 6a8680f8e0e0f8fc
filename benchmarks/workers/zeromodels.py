"""ZeroModels at work: `ZMSentenceTransformer.encode`, in batches of 32.

Its own loader asks the Hub; here its converter is given the same files.
"""

import json
from pathlib import Path

from benchmarks.workers import protocol
from benchmarks.workers.protocol import Prepared


def embed(question):
    """Raw strings -> vectors."""
    from safetensors.numpy import load_file
    from zeromodels.sentence_transformers import (
        ZMSentenceTransformer,
        ZMSentenceTransformerTokenizer,
    )

    folder = Path(question["huggingface"])
    sizes = ZMSentenceTransformer.config_from_hf(json.loads((folder / "config.json").read_text()))
    model = ZMSentenceTransformer(**sizes)
    ZMSentenceTransformer.transfer_from_hf(model, load_file(folder / "model.safetensors"))
    tokenizer = ZMSentenceTransformerTokenizer(
        tokenizer_file=str(folder / "tokenizer.json"), max_seq_len=256, backbone_type="bert"
    )
    texts = question["asked"]["text"]

    def once():
        model.encode(texts, tokenizer=tokenizer)

    return Prepared(once, model.encode(texts, tokenizer=tokenizer))


if __name__ == "__main__":
    protocol.serve({"embed": embed}, ("zeromodels", "tensorflow", "keras"))
