"""What `huggingface_hub.InferenceClient` asks of a URL (Hugging Face's Inference API): POST /."""

from bert_tf2.messages import shorten
from bert_tf2.serving.server import pipelines
from bert_tf2.serving.server.asked import field, texts
from bert_tf2.serving.server.embeddings import embed, similar
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.service import strings, with_adapter


def error(status, message):
    return {"error": message}


async def post(asked):
    """{"inputs", "parameters"} -> what a pipeline of the model's task gives.

    The form of `inputs` tells the task, where it can be told; else it is the only model's.
    """
    body = asked.body
    inputs, parameters = body.get("inputs"), field(body, "parameters", dict, {})
    name, adapter = field(body, "model", str), field(parameters, "adapter", str)
    if isinstance(inputs, dict):
        if inputs.keys() == {"question", "context"}:
            return await _question(asked, name, inputs, parameters)
        if inputs.keys() == {"source_sentence", "sentences"}:
            return await similar(asked, inputs, name, adapter=adapter)
        raise Refused(422, f"'inputs' must be of a known form. Received: {shorten(inputs)}")
    version = asked.service.repository.one_for(_tasks(parameters), name)
    given, one = texts(body, "inputs")
    if version.task in pipelines.ENCODERS:
        found, _ = await embed(
            asked,
            given,
            version.name,
            field(parameters, "prompt_name", str),
            field(parameters, "normalize", bool, True),
            field(parameters, "dimensions", int),
            adapter,
        )
        return found.tolist()
    columns = {"text": strings(given)} | _candidates(version, parameters)
    columns = with_adapter(version, columns, adapter)
    found = pipelines.SHAPES[version.task](version, await asked.answer(version, columns))
    if version.task in pipelines.CLASSIFIERS:
        top = _top(parameters, None)
        return [row[:top] for row in found]  # of one text, too: it is a batch of one
    if version.task == "MaskedLM":
        found = [row[0] if len(row) == 1 else row for row in found]
    return found[0] if one else found


def _tasks(parameters):
    if "candidate_labels" in parameters:
        return ("ZeroShotClassifier",)
    return (*pipelines.ENCODERS, *(x for x in pipelines.SHAPES if x not in OTHERS))


OTHERS = ("QuestionAnswerer", "MultipleChoice", "ZeroShotClassifier", "Reranker")


def _candidates(version, parameters):
    if "candidate_labels" not in version.signatures["serving_default"].inputs:
        return {}
    return {"candidate_labels": strings(texts(parameters, "candidate_labels")[0])}


async def _question(asked, name, inputs, parameters):
    version = asked.service.repository.one_for(("QuestionAnswerer",), name)
    if not all(isinstance(x, str) for x in inputs.values()):
        raise Refused(422, "'question' and 'context' must be text.")
    outputs = await asked.answer(version, {n: strings([x]) for n, x in inputs.items()})
    (found,) = pipelines.spans(version, outputs)
    top = _top(parameters, 1)
    return found[0] if top == 1 else found[:top]


def _top(parameters, default):
    """How many answers are wanted, the best; None: all."""
    top = field(parameters, "top_k", int, default)
    if top is not None and top < 1:
        raise Refused(422, f"'top_k' must be 1 or more. Received: {top}")
    return top


ROUTES = [(("POST",), "/", post)]
