"""One pass of transformers' `Trainer` over raw strings."""

import tempfile

import numpy as np
import transformers

from benchmarks.workers.protocol import Clock


class AfterFirstStep(transformers.TrainerCallback):
    """A clock that starts when the first step is done."""

    def __init__(self):
        self.clock = None

    def on_step_end(self, args, state, control, **kwargs):
        if self.clock is None:
            self.clock = Clock()


def epoch(model, question):
    """-> dict of `wall` and `cpu`, and of `accuracy` where the whole data is trained on."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(question["huggingface"])
    clock, start = Clock(), AfterFirstStep()
    strategy = "group_by_length" if question["variant"] == "best" else "random"
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=32,
            learning_rate=question["learning_rate"],
            warmup_steps=0.1,  # below 1: a share of all steps
            weight_decay=0.01,
            train_sampling_strategy=strategy,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = transformers.Trainer(
            model,
            settings,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            train_dataset=_rows(tokenizer, question["texts"], question["labels"]),
            callbacks=[start],
        )
        trainer.train()
        if not question["whole"]:
            return start.clock.read()
        measured = clock.read()
        predicted = trainer.predict(_rows(tokenizer, *question["dev"])).predictions.argmax(-1)
    return measured | {"accuracy": float((predicted == np.array(question["dev"][1])).mean())}


def _rows(tokenizer, texts, labels):
    encoded = tokenizer(texts, truncation=True)
    return [
        {name: values[i] for name, values in encoded.items()} | {"labels": label}
        for i, label in enumerate(labels)
    ]
