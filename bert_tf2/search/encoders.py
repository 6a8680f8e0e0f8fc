"""What texts are searched by: a model of one vector a text."""

from bert_tf2.messages import shorten

BOTH = ("encode_query", "encode_document", "similarity_fn_name")
KEPT = (*BOTH, "prompt_of_documents", "preprocessor", "width", "fingerprint", "glance")


def checked_encoder(model, name="encoder", needs=BOTH):
    """The model itself, a `SentenceEncoder` or whatever has of one what is needed.

    Raises:
        TypeError: something else, such as a model's name, or an encoder of vectors of another kind.
    """
    if hasattr(model, "measures"):
        raise TypeError(
            f"`{name}` must give one vector a text, as a SentenceEncoder. Received: a "
            f"{type(model).__name__}, whose vectors `similarity` compares, of texts in memory"
        )
    named = isinstance(model, str)  # which has an `encode`, too
    if lacks := [part for part in needs if named or not hasattr(model, part)]:
        raise TypeError(
            f"`{name}` must be a SentenceEncoder, `SentenceEncoder.from_preset(…)` of a name or a "
            f"folder. Received: {shorten(model)}" + ("" if named else f", which has no {lacks[0]}")
        )
    return model
