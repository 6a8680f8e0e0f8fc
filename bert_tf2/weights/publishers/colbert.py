"""What ColBERT's own folders say of vectors of tokens: Stanford's, and PyLate's.

Stanford's has its projection in the encoder's file, and the rest in `artifact.metadata`. PyLate's,
up to its version 3, has sentence-transformers' modules, and its words in their settings. Both mark
queries and documents by a piece of the vocabulary after "[CLS]". Source: colbert-ir/colbertv2.0's
files; sentence-transformers 6, multi_vector_encoder/model.py, for what holds where nothing is said.
"""

import string
from collections.abc import Iterable, Mapping
from pathlib import Path

from bert_tf2.files import read_json
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tokenizer_source import TokenizerSource

CLASS = "HF_ColBERT"  # among the `architectures` of Stanford's config.json
PYLATE = "ColBERT"  # the `model_type` of PyLate's settings
METADATA = "artifact.metadata"
# The name of the projection there -> in `Sentences.variables`.
INNER = {"linear.weight": "modules.0.linear.weight"}
LENGTH = 32  # of queries
MARKERS = {"query": "[unused0]", "document": "[unused1]"}
_MODULES = (
    {"kind": "dense", "width": None, "activation": "linear", "bias": False, "residual": False},
    {"kind": "normalize"},
)


def is_one(folder: Path) -> bool:
    """Whether a folder is Stanford's."""
    file = folder / "config.json"
    if not file.is_file():
        return False
    return CLASS in (read_json(file, error=CheckpointError).get("architectures") or ())


def of_stanford(folder: Path) -> dict:
    """Fields of `Sentences`, the width of the projection still to be read.

    Raises:
        CheckpointError: `artifact.metadata` is no JSON, or a word of another type in it.
    """
    schema = {"query_token_id?": (str, None), "doc_token_id?": (str, None)}
    schema |= {"query_maxlen?": (int, None), "doc_maxlen?": (int, None)}
    schema |= {"attend_to_mask_tokens?": (bool, None), "mask_punctuation?": (bool, None)}
    file = folder / METADATA
    said = read_json(file, schema, error=CheckpointError) if file.is_file() else {}
    marks = zip(
        MARKERS.items(), (said.get("query_token_id"), said.get("doc_token_id")), strict=True
    )
    prompts = {role: f"{own or usual} " for (role, usual), own in marks}
    attend, length = bool(said.get("attend_to_mask_tokens")), said.get("query_maxlen") or LENGTH
    masked = said.get("mask_punctuation") is not False
    settings = {
        "modules": [dict(module) for module in _MODULES],
        "prompts": prompts,
        "query_expansion": _expansion(length, attend),
        "document_length": said.get("doc_maxlen"),
        "skiplist_words": [*string.punctuation] if masked else [],
    }
    return {"settings": settings, "markers": tuple(prompts.values())}


def _expansion(length: int, attend: bool) -> dict:
    return {"strategy": "fixed", "attend": attend, "token": None, "length": length}


def of_pylate(file: Path, own: Mapping) -> tuple[dict, tuple[str, ...]]:
    """Settings of a `MultiVectorEncoder`, and `Sentences.markers`.

    Args:
        file: their settings. own: what the modules say, which counts more.

    Raises:
        CheckpointError: a word of another type.
    """
    schema = {f"{role}_prefix?": (str, None) for role in MARKERS}
    schema |= {f"{role}_length?": (int, None) for role in MARKERS}
    schema |= {"do_query_expansion?": (bool, None), "attend_to_expansion_tokens?": (bool, None)}
    said = read_json(file, schema | {"skiplist_words?": ([str], None)}, error=CheckpointError)
    prompts = dict(own["prompts"])
    prefixes = {role: said.get(f"{role}_prefix") or "" for role in MARKERS}
    for role, prefix in prefixes.items():
        prompts[role] = prefix + prompts.get(role, "").removeprefix(prefix)
    found = {f"{role}_length": said.get(f"{role}_length") for role in MARKERS}
    expansion = None
    if said.get("do_query_expansion") is not False:
        attend = bool(said.get("attend_to_expansion_tokens"))
        expansion = _expansion(found.pop("query_length") or LENGTH, attend)
    found |= {"query_expansion": expansion, "skiplist_words": said.get("skiplist_words")}
    if found["skiplist_words"] is None:
        found["skiplist_words"] = [*string.punctuation]
    modules = own["modules"]
    if not modules or modules[-1]["kind"] != "normalize":
        modules = [*modules, {"kind": "normalize"}]
    kept = {name: value for name, value in own.items() if value not in (None, [])}
    kept.pop("similarity_fn_name", None)  # of single vectors
    markers = tuple(prefix for prefix in prefixes.values() if prefix)
    return found | kept | {"prompts": prompts, "modules": modules}, markers


def with_widths(modules: Iterable[Mapping], variables: Mapping[str, tuple]) -> list[dict]:
    """The modules with the widths that their variables have."""
    widths = {int(name.split(".")[1]): shape[0] for name, (shape, _) in variables.items()}
    return [dict(m) | ({"width": widths[i]} if i in widths else {}) for i, m in enumerate(modules)]


def with_markers(tokenizer: TokenizerSource, markers: Iterable[str]) -> TokenizerSource:
    """The tokenizer with these found in text as a whole, as far as it has a piece for them.

    Args:
        markers: each a piece, such as "[Q] ", or a text that begins with one and a space.
    """
    added = [dict(token) for token in tokenizer.settings.get("added_tokens", ())]
    ids = {piece: i for i, piece in enumerate(tokenizer.read("vocab.txt").decode().split("\n"))}
    ids |= {token["content"]: token.get("id") for token in added}
    whole = {t["content"] for t in added if t.get("match", True) and not t.get("normalized")}
    for marker in markers:
        piece = next((p for p in (marker, *marker.split()[:1]) if p in ids), None)
        if piece is not None and piece not in whole:
            added = [token for token in added if token["content"] != piece]
            added.append({"content": piece, "id": ids[piece]})
    return tokenizer.with_settings(added_tokens=added) if added else tokenizer
