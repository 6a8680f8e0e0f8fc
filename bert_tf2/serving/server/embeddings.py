"""Vectors of texts, as the routes of several protocols want them."""

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.serving.server.asked import texts as texts_of
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.models import DEFAULT
from bert_tf2.serving.server.pipelines import ENCODERS
from bert_tf2.serving.server.service import strings, with_adapter


async def embed(
    asked, texts, name=None, prompt_name=None, normalize=True, dimensions=None, adapter=None
):
    """The vectors of texts.

    Args:
        texts: list of n str.
        name: of the model; None for the only one.
        prompt_name: of one of its prompts; None for its default.
        normalize: make each vector of length 1, after it is cut.
        dimensions: how many numbers of each to keep, the first; None for all.
        adapter: name of the one that all texts choose, see `with_adapter`.

    Returns:
        float32 (n, D), and the `Version`.

    Raises:
        Refused: 404 no such model; 422 no such prompt, or more numbers than a vector has.
    """
    version = asked.service.repository.one_for(ENCODERS, name)
    inputs, signature = prompted(version, texts, prompt_name, "embed", adapter)
    found = (await asked.answer(version, inputs, signature))["embedding"]
    if dimensions is not None and not 1 <= dimensions <= found.shape[1]:
        raise Refused(
            422, f"'dimensions' must be from 1 to {found.shape[1]}. Received: {dimensions}"
        )
    found = found[:, :dimensions].astype("float32")
    if normalize:
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        found = np.divide(found, lengths, out=found, where=lengths > 0)
    return found, version


async def similar(asked, inputs, name=None, prompt_name=None, adapter=None):
    """How alike a text, `source_sentence`, is to each of some `sentences`: cosines, a list.

    Args:
        inputs: dict with these fields.
        name, prompt_name, adapter: see `embed`.

    Raises:
        Refused: as `embed`; 422 other fields.
    """
    source, sentences = texts_of(inputs, "source_sentence")[0], texts_of(inputs, "sentences")[0]
    if len(source) != 1:
        raise Refused(422, f"'source_sentence' must be one text. Received: {shorten(source)}")
    found, _ = await embed(asked, [*sentences, *source], name, prompt_name, adapter=adapter)
    return (found[:-1] @ found[-1]).tolist()


def prompted(version, texts, name, signature, adapter=None):
    """The inputs of texts with a prompt of that name, and the signature that takes them.

    Args:
        name: of a prompt; None for the model's default, which needs no `signature` of its own.
        adapter: see `with_adapter`.

    Raises:
        Refused: 422, a prompt that the model's card does not know; without a card the graph tells.
    """
    if name is None:
        return with_adapter(version, {"text": strings(texts)}, adapter), DEFAULT
    known = version.card.get("settings", {}).get("prompts")
    if known is not None and name not in known:
        raise Refused(
            422, f"'prompt_name' must be one of {shorten([*known])}. Received: {shorten(name)}"
        )
    return {"text": strings(texts), "prompt_name": strings([name] * len(texts))}, signature


async def count_tokens(asked, version, texts, cut=True):
    """How many tokens texts have, with the two that begin and end each; int (n,).

    Args:
        cut: count no more than the model reads.

    Zeros where the model has no signature that cuts texts into tokens.
    """
    if "tokenize" not in version.signatures:
        return np.zeros(len(texts), int)
    found = await asked.answer(version, {"text": strings(texts)}, "tokenize")
    most = version.card.get("max_length") if cut else None
    counts = found["lengths"] + 2
    return counts if most is None else np.minimum(counts, most)
