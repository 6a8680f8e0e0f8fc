"""transformers' `Trainer` on the rows of `benchmarks.quality`, as its examples use it.

Recipe, seed, data and pooling are ours; windows are its own, and for questions alone: elsewhere
what is longer than a row is cut.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

from benchmarks.workers import transformers_squad_quality as squad

AUTO = {
    "classes": transformers.AutoModelForSequenceClassification,
    "several": transformers.AutoModelForSequenceClassification,
    "number": transformers.AutoModelForSequenceClassification,
    "tags": transformers.AutoModelForTokenClassification,
    "choices": transformers.AutoModelForMultipleChoice,
    "answers": transformers.AutoModelForQuestionAnswering,
}
OF_ONE_SIZE = ("choices", "answers")  # heads, whatever the labels
LABELS = {"answers": ["start_positions", "end_positions"]}
PROBLEMS = {
    "classes": "single_label_classification",
    "several": "multi_label_classification",
    "number": "regression",
}


class MeanOfTokens(torch.nn.Module):
    """In the place of a pooler: the mean of all tokens that are no padding."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        model.base_model.pooler = None
        model.base_model.register_forward_hook(self._pool, with_kwargs=True)

    @staticmethod
    def _pool(module, args, kwargs, output):
        mask = kwargs["attention_mask"].unsqueeze(-1).float()
        output["pooler_output"] = (output.last_hidden_state * mask).sum(1) / mask.sum(1)
        return output

    def forward(self, **inputs):
        return self.model(**inputs)


# === Rows =========================================================================================


def _texts(tokenizer, x, y, question):
    pairs = [x["text_pair"]] if "text_pair" in x else []
    encoded = tokenizer(x["text"], *pairs, truncation=True, max_length=question["max_length"])
    rows = [{name: values[i] for name, values in encoded.items()} for i in range(len(y))]
    return [row | {"labels": _target(label, question)} for row, label in zip(rows, y, strict=True)]


def _target(label, question):
    names = question["labels"]
    if question["answers"] == "several":
        return [float(name in label) for name in names]
    return names.index(label) if names else label


def _words(tokenizer, x, y, question):
    """The tag of a word stands at its first piece; -100, which is ignored, everywhere else."""
    rows = []
    for words, tags in zip(x["words"], y, strict=True):
        row = tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=question["max_length"]
        )
        places = row.word_ids()
        first = [w is not None and w not in places[:i] for i, w in enumerate(places)]
        labels = [
            question["labels"].index(tags[word]) if is_first else -100
            for word, is_first in zip(places, first, strict=True)
        ]
        rows.append({**row, "labels": labels})
    return rows


def _choices(tokenizer, x, y, question):
    rows = []
    for text, choices, label in zip(x["text"], x["choices"], y, strict=True):
        texts = [text] * len(choices)
        row = tokenizer(texts, choices, truncation=True, max_length=question["max_length"])
        rows.append({**row, "labels": label})
    return rows


ROWS = {"tags": _words, "choices": _choices, "answers": squad.rows}
COLLATORS = {
    "tags": transformers.DataCollatorForTokenClassification,
    "choices": transformers.DataCollatorForMultipleChoice,
}


# === Answers ======================================================================================


def _answers(tokenizer, outputs, gold, x, question):
    """Outputs -> answers, in the form that ours have."""
    kind, names = question["answers"], question["labels"]
    if kind == "answers":
        return squad.answers(tokenizer, outputs, x, question)
    if kind == "classes":
        return [names[i] for i in outputs.argmax(-1)]
    if kind == "several":
        return (1 / (1 + np.exp(-outputs.astype("float64")))).tolist()
    if kind == "number":
        return outputs.reshape(-1).tolist()
    if kind == "choices":
        return outputs.argmax(-1).tolist()
    found = []
    for words, best, labels in zip(x["words"], outputs.argmax(-1), gold, strict=True):
        tags = [names[i] for i in best[labels != -100]]
        found.append(tags + ["O"] * (len(words) - len(tags)))  # of words that were cut
    return found


def _model(question):
    kind, names = question["answers"], question["labels"]
    settings = {}
    if kind not in OF_ONE_SIZE:
        names = names or ["score"]
        settings = {"num_labels": len(names), "id2label": dict(enumerate(names))}
    if kind in PROBLEMS:
        settings["problem_type"] = PROBLEMS[kind]
    model = AUTO[kind].from_pretrained(question["model"], **settings)
    return MeanOfTokens(model) if question["settings"].get("pooling") == "mean" else model


def finetune(question):
    """Trains, and writes the answers to the rows that are scored."""
    torch.set_num_threads(question["threads"])
    transformers.set_seed(question["seed"])
    kind = question["answers"]
    if kind == "vectors":
        from benchmarks.workers import sentence_vectors_quality

        sentence_vectors_quality.train(question)
        return
    if kind not in AUTO or "crf" in question["settings"]:
        raise ValueError(f"transformers has no training of its own for {kind} with these settings")
    data = json.loads(Path(question["data"]).read_text())
    tokenizer = transformers.AutoTokenizer.from_pretrained(question["model"])
    rows = ROWS.get(kind, _texts)
    train, dev = (rows(tokenizer, *data[part].values(), question) for part in ("train", "dev"))
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            folder,
            num_train_epochs=question["epochs"],
            per_device_train_batch_size=question["batch_size"],
            per_device_eval_batch_size=32,
            learning_rate=question["learning_rate"],
            warmup_steps=0.1,  # below 1: a share of all steps
            weight_decay=0.01,
            seed=question["seed"],
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=LABELS.get(kind, ["labels"]),
        )
        collator = COLLATORS.get(kind, transformers.DataCollatorWithPadding)(tokenizer)
        trainer = transformers.Trainer(
            _model(question), settings, data_collator=collator, train_dataset=train
        )
        trainer.train()
        outputs, gold, _ = trainer.predict(dev)
    answers = _answers(tokenizer, outputs, gold, data["dev"]["x"], question)
    Path(question["given"]).write_text(json.dumps(answers))
