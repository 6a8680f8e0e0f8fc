"""A `SentenceEncoder` as `mteb` takes models: `mteb.evaluate(MtebEncoder(encoder), tasks)`."""

from mteb.models import ModelMeta


class MtebEncoder:
    """A `SentenceEncoder`, with its prompts for queries and documents.

    Args:
        encoder: a `bert_tf2.SentenceEncoder`. name: of the results, "owner/model".
    """

    def __init__(self, encoder, name="mine/encoder", revision="1", **kwargs):
        self.encoder = encoder
        self.similarity, self.similarity_pairwise = encoder.similarity, encoder.similarity_pairwise
        self.mteb_model_meta = ModelMeta.create_empty({"name": name, "revision": revision})

    def encode(self, inputs, *, prompt_type=None, batch_size=32, **kwargs):
        texts = [text for batch in inputs for text in batch["text"]]
        ways = {"query": self.encoder.encode_query, "document": self.encoder.encode_document}
        way = ways.get(getattr(prompt_type, "value", prompt_type), self.encoder.encode)
        return way(texts, batch_size=batch_size)
