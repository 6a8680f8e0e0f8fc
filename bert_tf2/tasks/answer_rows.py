"""What the graph answers to questions -> what people read, in NumPy."""

import numpy as np
import tensorflow as tf

from bert_tf2.scoring import google_texts, nbest
from bert_tf2.text.normalize import NEW_PUNCTUATION, split_words

FILL = {"start": -1e4, "end": -1e4, "begins": -1, "stops": -1, "most": False, "ids": 0}


def rows_of(found):
    """Those arrays -> for each question a list of dicts, the best answer first; one at least."""
    texts = [[text.decode(errors="replace") for text in row] for row in found["answers"]]
    columns = (*(found[name].tolist() for name in ("scores", "starts", "ends")), texts)
    names = ("score", "start", "end", "answer")
    rows = [
        [dict(zip(names, cells, strict=True)) for cells in zip(*row, strict=True)]
        for row in zip(*columns, strict=True)
    ]
    return [row[:1] + [cells for cells in row[1:] if cells["score"]] for row in rows]


def windows_of(batches):
    """Answers with `windows=True`, of several batches -> (`nbest.Logits` or `nbest.Beams`, ids
    (W, L), contexts)."""
    batches = list(batches)
    longest = max(batch["ids"].shape[1] for batch in batches)
    kind = nbest.Beams if "none" in batches[0] else nbest.Logits
    found, rows, contexts = {}, [], []
    for name in {*kind._fields, "ids"} - {"rows"}:
        parts = [batch[name] for batch in batches]
        if name in (*kind.along, "ids"):
            wide = [(x, [(0, 0), (0, longest - x.shape[1])]) for x in parts]
            parts = [np.pad(x, more, constant_values=FILL[name]) for x, more in wide]
        found[name] = np.concatenate(parts)
    for batch in batches:
        rows.append(batch["rows"] + len(contexts))
        contexts += [text.decode("utf-8", "replace") for text in batch["context"]]
    ids = found.pop("ids")
    return kind(np.concatenate(rows), **found), ids, contexts


def slices(logits, contexts):
    """For `nbest.nbest`: an answer's text is that of its characters."""

    def text(window, first, last):
        begin, end = logits.begins[window, first], logits.stops[window, last]
        return contexts[logits.rows[window]][begin:end]

    return text


def as_google(logits, contexts, ids, tokenizer):
    """For `nbest.nbest`: an answer's text is the one of run_squad.py."""
    vocabulary = tokenizer.vocabulary

    def basic(words):
        cut = split_words(tokenizer.clean(tf.constant(words, tf.string)), NEW_PUNCTUATION)
        return [" ".join(filter(None, map(bytes.decode, row))) for row in cut.to_list()]

    def tokens(window):
        return [vocabulary[i] for i in ids[window]]

    return google_texts.GoogleTexts(logits, tokens, contexts, basic)
