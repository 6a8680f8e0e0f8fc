"""What transformers computes for the rows of `published.json` on small random models.

`python record_published.py TABLE FOLDER`, with torch and transformers: each model that rows with
ids name gets a folder of its own below FOLDER, with its real vocabulary and positions, and the rows
come back as FOLDER/table.json, their numbers replaced by those that transformers computes.
"""

import json
import sys
from pathlib import Path

import torch
import transformers as hf

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
}
DISTILBERT = {"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40}
ROBERTA = SIZES | {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
TANH = {"hidden_act": "gelu_new"}  # what Google's configs mean by "gelu"
MODELS = {
    "uncased_L-12_H-768_A-12": ("Bert", "ForPreTraining", SIZES | TANH),
    "uncased_L-2_H-128_A-2": ("Bert", "ForPreTraining", SIZES | TANH),
    "albert_base_v2": ("Albert", "ForPreTraining", SIZES | TANH | {"embedding_size": 10}),
    "distilbert_base_uncased": ("DistilBert", "ForMaskedLM", DISTILBERT),
    "electra_small": ("Electra", "ForPreTraining", SIZES | {"embedding_size": 10}),
    "roberta_base": ("Roberta", "ForMaskedLM", ROBERTA | {"vocab_size": 50265}),
    "roberta_large_mnli": (
        "Roberta",
        "ForSequenceClassification",
        ROBERTA | {"vocab_size": 50265, "num_labels": 3},
    ),
    "xlm_roberta_base": ("XLMRoberta", "ForMaskedLM", ROBERTA | {"vocab_size": 250002}),
}


def make(name):
    family, head, sizes = MODELS[name]
    config = getattr(hf, f"{family}Config")(**sizes, attn_implementation="eager")
    model = getattr(hf, family + head)(config).eval()
    for key, values in model.named_parameters():
        values.data = 0.3 * torch.randn(values.shape) + ("norm" in key.lower() and "weight" in key)
    return model


def outputs(model, row):
    """Under our names, for one row; its activation is the row's if that says one."""
    ids = torch.tensor(row["token_ids"])
    mask = torch.tensor(row.get("padding_mask", torch.ones_like(ids).tolist()))
    if "config" in row:
        assert row["config"] == {"hidden_act": "gelu_erf"}
        model.config.hidden_act = "gelu"
        again = type(model)(model.config).eval()
        again.load_state_dict(model.state_dict())
        model.config.hidden_act, model = "gelu_new", again
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        inner = model.base_model(input_ids=ids, attention_mask=mask)
    named = {"sequence_output": found.hidden_states[-1]}
    named["pooled_output"] = getattr(inner, "pooler_output", None)
    named["word_logits"] = getattr(found, "prediction_logits", getattr(found, "logits", None))
    named["class_logits"] = getattr(found, "logits", None)
    return named[row["output"]]


def main(table, folder):
    torch.manual_seed(11)
    rows = [row for row in json.loads(Path(table).read_text("utf-8"))["rows"] if "token_ids" in row]
    answers = []
    for name in dict.fromkeys(row["models"][0] for row in rows):
        model = make(name)
        for row in (row for row in rows if row["models"] == [name]):
            values = outputs(model, row)
            if "at" in row:
                values = values[tuple(slice(*bounds) for bounds in row["at"])]
            else:
                values = values.flatten()[: len(row["expected"])]
            answers.append(row | {"expected": values.tolist(), "atol": 2e-5, "rtol": 0})
        model.save_pretrained(folder / name)
    content = {"rows": answers, "left_out": []}
    (folder / "table.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
