"""The routes of Hugging Face's text-embeddings-inference (its docs/openapi.json).

Beside its fields a body may have `adapter`: the name, for all rows, of one of several in a model.
"""

import bert_tf2
from bert_tf2.messages import shorten
from bert_tf2.serving.server import pipelines
from bert_tf2.serving.server.asked import field, texts
from bert_tf2.serving.server.embeddings import count_tokens, embed, prompted, similar
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.service import strings, with_adapter

KINDS = {400: "Validation", 404: "Validation", 413: "Validation", 422: "Validation"}
KINDS |= {503: "Overloaded", 504: "Overloaded"}


def error(status, message):
    return {"error": message, "error_type": KINDS.get(status, "Backend")}


async def embed_route(asked):
    """{"inputs", "normalize", "prompt_name", "dimensions", "truncate", "model"} -> vectors."""
    body = asked.body
    given, _ = texts(body, "inputs")
    found, version = await embed(
        asked,
        given,
        field(body, "model", str),
        field(body, "prompt_name", str),
        field(body, "normalize", bool, True),
        field(body, "dimensions", int),
        field(body, "adapter", str),
    )
    await _check_length(asked, version, given)
    return found.tolist()


async def embed_sparse(asked):
    """{"inputs", "prompt_name", "truncate", "model"} -> for each text [{"index", "value"}], but
    zeros."""
    found = await _outputs(asked, "SparseEncoder", "embed_sparse")
    rows = zip(found["indices"].tolist(), found["values"].tolist(), strict=True)
    pairs = (zip(*row, strict=True) for row in rows)
    return [[{"index": i, "value": x} for i, x in row if x] for row in pairs]


async def embed_all(asked):
    """{"inputs", "prompt_name", "truncate", "model"} -> for each text a list of vectors, one a
    token."""
    found = await _outputs(asked, "MultiVectorEncoder", "embed_tokens")
    rows = zip(found["token_embeddings"], found["mask"] > 0, strict=True)
    return [vectors[real].tolist() for vectors, real in rows]


async def _outputs(asked, task, signature):
    """What a model of this task answers to the inputs of a request."""
    body = asked.body
    given, _ = texts(body, "inputs")
    name, prompt = field(body, "model", str), field(body, "prompt_name", str)
    version = asked.service.repository.one_for((task,), name)
    adapter = field(body, "adapter", str)
    inputs, signature = prompted(version, given, prompt, signature, adapter)
    found = await asked.answer(version, inputs, signature)
    await _check_length(asked, version, given)
    return found


async def similarity(asked):
    """{"inputs": {"source_sentence", "sentences"}, "parameters": {"prompt_name"}, "model"} -> the
    cosine of each sentence."""
    body = asked.body
    parameters = field(body, "parameters", dict, {})
    inputs = field(body, "inputs", dict, {})
    _check_cut(parameters)
    how = (field(body, "model", str), field(parameters, "prompt_name", str))
    return await similar(asked, inputs, *how, field(body, "adapter", str))


async def rerank(asked):
    """{"query", "texts", "raw_scores", "return_text", "model"} -> [{"index", "score"}]."""
    body = asked.body
    version = asked.service.repository.one_for(pipelines.RERANKERS, field(body, "model", str))
    query, given = field(body, "query", str), texts(body, "texts")[0]
    if query is None:
        raise Refused(422, "'query' must be text.")
    _check_activation(version, body)
    _check_cut(body)
    pairs = {"text": strings([query] * len(given)), "text_pair": strings(given)}
    pairs = with_adapter(version, pairs, field(body, "adapter", str))
    scores = (await asked.answer(version, pairs))["scores"]
    if scores.shape[1] != 1:
        raise Refused(422, f"{version.name} has several scores, none of which ranks: ask /predict")
    scores = scores[:, 0].tolist()
    order = sorted(range(len(given)), key=lambda i: -scores[i])
    more = field(body, "return_text", bool, False)
    return [{"index": i, "score": scores[i]} | ({"text": given[i]} if more else {}) for i in order]


def _check_activation(version, body):
    """`raw_scores` wants logits, and else a sigmoid: a graph holds one of them."""
    raw = field(body, "raw_scores", bool)
    kept = version.card.get("settings", {}).get("activation")
    wanted = {None: kept, True: "linear", False: "sigmoid"}[raw]
    if kept != wanted:
        raise Refused(
            422,
            f"The graph of {version.name} has the activation {kept or 'that it was exported with'} "
            f"inside: leave 'raw_scores' out. Received: {shorten(raw)}",
        )


async def predict(asked):
    """{"inputs": text, [text, text_pair] or a list of lists of these, "raw_scores", "model"} ->
    [{"label", "score"}], of a list of lists a list of these."""
    body = asked.body
    name = field(body, "model", str)
    version = asked.service.repository.one_for(pipelines.CLASSIFIERS, name)
    rows, one = _sequences(body.get("inputs"))
    wanted = len({"text", "text_pair"} & version.signatures["serving_default"].inputs.keys())
    if any(len(row) != wanted for row in rows):
        kind = "pairs, [text, text_pair]" if wanted == 2 else "single texts"
        raise Refused(422, f"{version.name} reads {kind}. Received: {shorten(body['inputs'])}")
    names = ("text", "text_pair")[:wanted]
    inputs = {n: strings([*x]) for n, x in zip(names, zip(*rows, strict=True), strict=True)}
    _check_cut(body)
    inputs = with_adapter(version, inputs, field(body, "adapter", str))
    outputs = await asked.answer(version, inputs)
    raw = field(body, "raw_scores", bool, False)
    if raw and "logits" not in outputs:
        raise Refused(422, f"{version.name} has no logits: leave 'raw_scores' out.")
    found = pipelines.classes(version, outputs, raw)
    return found[0] if one else found


def _sequences(given):
    """-> a list of lists of one text or two, and whether there was one such."""
    one = isinstance(given, str) or _is_row(given)
    rows = [[given] if isinstance(given, str) else given] if one else given
    if not isinstance(rows, list) or not rows or not all(map(_is_row, rows)):
        raise Refused(
            422,
            "'inputs' must be text, [text, text_pair], or a list of [text] or of [text, "
            f"text_pair]. Received: {shorten(given)}",
        )
    return rows, one


def _is_row(x):
    return isinstance(x, list) and len(x) in (1, 2) and all(isinstance(y, str) for y in x)


async def tokenize(asked):
    """{"inputs", "model"} -> for each text [{"id", "text", "special", "start", "stop"}]."""
    body = asked.body
    given, _ = texts(body, "inputs")
    version = _with_tokens(asked, field(body, "model", str))
    if field(body, "add_special_tokens", bool, False):
        raise Refused(422, "The tokens are those of the text: leave 'add_special_tokens' out.")
    found = await asked.answer(version, {"text": strings(given)}, "tokenize")
    names = ("id", "text", "start", "stop")
    columns = (found[name].tolist() for name in ("ids", "pieces", "starts", "ends", "lengths"))
    rows = []
    for *cells, length in zip(*columns, strict=True):
        row = [dict(zip(names, x, strict=True)) for x in zip(*cells, strict=True)][:length]
        rows.append([x | {"text": pipelines.text(x["text"]), "special": False} for x in row])
    return rows


def _with_tokens(asked, name):
    """The model to cut texts with: the one that is named, or any."""
    repository = asked.service.repository
    every = [repository.version(x) for x in ([name] if name else sorted(repository.models))]
    for version in every:
        if "tokenize" in version.signatures:
            return version
    raise Refused(404, "No model here has a signature `tokenize`: export it again.")


async def _check_length(asked, version, given):
    """`truncate: false` wants an error for what is too long, which the graph would cut."""
    most = version.card.get("max_length")
    counted = most is not None and "tokenize" in version.signatures
    _check_cut(asked.body, counted)
    if field(asked.body, "truncate", bool, True):
        return
    counts = await count_tokens(asked, version, given, cut=False)
    if (counts > most).any():
        raise Refused(413, f"A text may have {most} tokens. Received: {counts.max()}")


def _check_cut(body, counted=False):
    """Graphs cut what is too long at its end: another wish is refused.

    Args:
        counted: whether `truncate: false` can be followed.
    """
    if not counted and not field(body, "truncate", bool, True):
        raise Refused(422, "What is too long is always cut here: leave 'truncate' out.")
    if field(body, "truncation_direction", str, "right").lower() != "right":
        raise Refused(422, "What is too long is cut at its end: leave 'truncation_direction' out.")


def info(asked):
    """What is served; of several models the first."""
    repository, limits = asked.service.repository, asked.service.limits
    versions = [repository.version(name) for name in sorted(repository.models)]
    if not versions:
        raise Refused(503, "No model answers yet.")
    first = versions[0]
    return {
        "model_id": first.name,
        "model_sha": None,
        "model_dtype": first.card.get("precision", "float32"),
        "model_type": _kind(first),
        "max_concurrent_requests": limits.max_queue,
        "max_input_length": first.card.get("max_length"),
        "max_batch_tokens": limits.max_batch_tokens,
        "max_batch_requests": limits.max_batch_rows,
        "max_client_batch_size": limits.max_rows,
        "auto_truncate": True,
        "version": bert_tf2.__version__,
        "served_models": [version.name for version in versions],
    }


def _kind(version):
    """The model's type in text-embeddings-inference's words; of other tasks the class's name."""
    names = version.labels or []
    numbered = {
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }
    if version.task in pipelines.ENCODERS:
        pooling = version.card.get("settings", {}).get("pooling") or ["mean"]
        return {"embedding": {"pooling": pooling if isinstance(pooling, str) else pooling[0]}}
    if version.task == "SparseEncoder":
        return {"embedding": {"pooling": "splade"}}
    if version.task in pipelines.RERANKERS:
        return {"reranker": numbered}
    if version.task in pipelines.CLASSIFIERS:
        return {"classifier": numbered}
    return {version.task: {}}


ROUTES = [
    (("POST",), "/embed", embed_route),
    (("POST",), "/embed_all", embed_all),
    (("POST",), "/embed_sparse", embed_sparse),
    (("POST",), "/similarity", similarity),
    (("POST",), "/rerank", rerank),
    (("POST",), "/predict", predict),
    (("POST",), "/tokenize", tokenize),
    (("GET",), "/info", info),
]
