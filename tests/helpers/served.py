"""A server in a thread and what asks it: plain HTTP, as no client of ours."""

import json
import urllib.error
import urllib.request

import oracle

import bert_tf2
from bert_tf2.serving.server.running import running

# Odd texts that any route must answer as the task in this process does.
TEXTS = ["The kettle hums.", "", "stone, rain & tea", "ＦＵＬＬ ｗｉｄｔｈ 雨", "👍🏽 tea\x00\x07"]

TASKS = {  # name -> its class, and what it is made with
    "clf": (bert_tf2.TextClassifier, {"labels": ["tea", "stone", "rain"]}),
    "ner": (bert_tf2.TokenClassifier, {"labels": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]}),
    "vec": (bert_tf2.SentenceEncoder, {"prompts": {"query": "tea: "}}),
    "qa": (bert_tf2.QuestionAnswerer, {"doc_stride": 4, "max_question_len": 6, "top_k": 3}),
    "mlm": (bert_tf2.MaskedLM, {}),
    "rank": (bert_tf2.Reranker, {}),
    "sparse": (bert_tf2.SparseEncoder, {"prompts": {"query": "tea: "}}),
    "late": (bert_tf2.MultiVectorEncoder, {"prompts": {"query": "tea: ", "document": "a "}}),
    "num": (bert_tf2.TextRegressor, {"labels": ["a", "b"]}),
    "choice": (bert_tf2.MultipleChoice, {}),
    "zero": (bert_tf2.ZeroShotClassifier, {"labels": ["contradiction", "entailment", "neutral"]}),
    "multi": (
        bert_tf2.TextClassifier,
        {"labels": ["tea", "rain"], "problem_type": "multi_label_classification"},
    ),
}


def columns_of(name, texts):
    """Columns of a file for a task of that name, from texts, and the flags that name them."""
    x = [text or "." for text in texts]
    own = {
        "qa": ({"id": range(len(x)), "question": ["what?"] * len(x), "context": x}, []),
        "choice": ({"question": x, "choices": [["hot", "wet"]] * len(x)}, []),
        "rank": ({"text": texts, "text_pair": texts[::-1]}, ["--text_pair_column=text_pair"]),
        "ner": ({"words": [text.split() for text in x]}, []),
        "mlm": ({"text": [f"[MASK] {text}" for text in x]}, []),
    }
    return own.get(name, ({"text": texts}, []))


def exported(folder, *names):
    """Exports tiny tasks of these names into a folder. -> {name: task}"""
    tasks = {name: oracle.tiny_task(TASKS[name][0], **TASKS[name][1]) for name in names}
    for name, task in tasks.items():
        bert_tf2.export_saved_model(task, folder / name)
    return tasks


def ask(url, body=None, **headers):
    """-> the status and the JSON of an answer, or its bytes where it is none.

    body: what becomes JSON, or bytes; None to GET.
    """
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, found = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, found = error.code, error.read()
    try:
        return status, json.loads(found)
    except ValueError:
        return status, found


__all__ = ["TASKS", "TEXTS", "ask", "exported", "running"]
