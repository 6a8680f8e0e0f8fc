"""The data card: what a set of records is made of, and how, as JSON that people read, too."""

import hashlib

import bert_tf2
from bert_tf2 import files
from bert_tf2.data.corpus.example_bytes import FEATURES

SUFFIX = ".card.json"
_OF_LENGTH = ("token_ids", "padding_mask", "segment_ids")
_OF_PREDICTIONS = ("masked_positions", "masked_ids", "masked_weights")


def place(output):
    """Where the card of records stands."""
    return output.with_name(output.name + SUFFIX)


def write(output, card):
    """Writes it beside the records."""
    files.write_json(place(output), card, ensure_ascii=False)


def card(job, tokenizer, seen, counts, outputs, parts, reproduce=None):
    """dict of all that is known; nothing in it changes from run to run.

    Args:
        job: `making.Job`. tokenizer: its tokenizer.
        seen: dict of what was read, as from `parts.plan`.
        counts: Counter of all parts.
        outputs: list of dict, a file each.
        parts: int, how many there were.
        reproduce: as of `make_pretraining_data`.
    """
    settings, corpus = job.settings, job.corpus._asdict()
    del corpus["paths"]
    return {
        "records": "tf.train.Example in TFRecord files",
        "features": {FEATURES[name]: _shape(name, settings) for name in FEATURES},
        "recipe": settings.row.about,
        "reproduces": reproduce,
        "settings": settings.to_dict(),
        "tokenizer": {
            "class": job.kind.__name__,
            "settings": job.config,
            **vocabulary(tokenizer),
        },
        "corpus": corpus | {"parts": parts},
        "inputs": [{"file": path, **told} for path, told in seen.items()],
        "counts": dict(counts),
        "shares": _shares(counts, settings),
        "outputs": outputs,
        "made_by": f"bert_tf2 {bert_tf2.__version__}",
    }


def vocabulary(tokenizer):
    """dict of what tells vocabularies apart: digests of its files, and of its pieces in order."""
    pieces = tokenizer.vocabulary
    files_ = tokenizer.files().items()
    return {
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files_},
        "pieces": len(pieces),
        "pieces_sha256": hashlib.sha256("\n".join(pieces).encode()).hexdigest(),
    }


def _shape(name, settings):
    if name in _OF_LENGTH:
        return f"int64 [{settings.max_seq_length}]"
    kind = "float" if name == "masked_weights" else "int64"
    sized = name in _OF_PREDICTIONS
    return f"{kind} [{settings.max_predictions_per_seq if sized else 1}]"


def _shares(counts, settings):
    """What part of a whole some counts are, to four digits."""
    room = counts["records"] * settings.max_seq_length
    wholes = {
        "padding": (room - counts["record_tokens"], room),
        "predictions_per_token": (counts["predictions"], counts["record_tokens"]),
        "labelled_1": (counts["labelled_1"], counts["records"]),
    }
    if "unknown_tokens" in counts:
        wholes["unknown_tokens"] = (counts["unknown_tokens"], counts["tokens"])
    return {name: round(some / max(1, whole), 4) for name, (some, whole) in wholes.items()}
