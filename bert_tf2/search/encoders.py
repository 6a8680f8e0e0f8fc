"""What texts are searched by: a model of one vector a text."""

from bert_tf2.messages import shorten


def checked_encoder(model, name="encoder"):
    """The model itself, a `SentenceEncoder` or whatever has its `encode_query`, `encode_document`
    and `similarity_fn_name`.

    Raises:
        TypeError: something else, such as a model's name, or an encoder of vectors of another kind.
    """
    usual = ("encode_query", "encode_document", "similarity_fn_name")
    if hasattr(model, "measures"):
        raise TypeError(
            f"`{name}` must give one vector a text, as a SentenceEncoder. Received: a "
            f"{type(model).__name__}, whose vectors `similarity` compares, of texts in memory"
        )
    if not all(hasattr(model, part) for part in usual):
        raise TypeError(
            f"`{name}` must be a SentenceEncoder, `SentenceEncoder.from_preset(…)` of a name or a "
            f"folder. Received: {shorten(model)}"
        )
    return model
