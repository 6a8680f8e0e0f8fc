"""What we write for Hugging Face, opened by transformers and torch: equal numbers, equal ids."""

import dataclasses

import head_models
import numpy as np
import oracle
import peers
import pytest

from bert_tf2 import Encoder, MaskedLM, TextClassifier, weights
from bert_tf2.weights import names
from bert_tf2.weights.filling import load_variables

TOKENS = [("token_classifier",), ("span",)]
OWN_DENSE = [("pre_classifier", "classifier"), ("pre_choice", "choice")]
HEADS = {
    "bert": [("mlm", "nsp"), ("mlm",), ("nsp",), ("classifier",), ("choice",), *TOKENS, ()],
    "albert": [("mlm", "sop"), ("classifier",), ("choice",), *TOKENS, ()],
    "distilbert": [("mlm",), *OWN_DENSE, *TOKENS, ()],
    "electra": [("rtd",), *OWN_DENSE, *TOKENS, ()],
    "electra_generator": [("mlm",)],
    "roberta": [("mlm",), ("pre_classifier", "classifier"), ("choice",), *TOKENS, ()],
    "mpnet": [("mlm",), ("pre_classifier", "classifier"), ("choice",), *TOKENS, ()],
}
NEED_POOLER = {  # in transformers; a Google model may be without
    "bert": {("mlm", "nsp"), ("nsp",), ("classifier",), ("choice",), ()},
    "roberta": {("choice",), ()},
    "mpnet": {("choice",), ()},
}
# Its masked-word heads of some families have an activation of their own, whatever `hidden_act` is.
CONFIGS = oracle.TINIES | {
    "roberta, relu": dataclasses.replace(
        oracle.TINIES["roberta"], hidden_act="relu", mlm_act="gelu_erf"
    ),
    "electra_generator, tanh form": dataclasses.replace(
        oracle.TINIES["electra_generator"], hidden_act="gelu_tanh", mlm_act="gelu_erf"
    ),
    "bert, relu": dataclasses.replace(oracle.TINIES["bert"], hidden_act="relu"),
    "distilbert, relu": dataclasses.replace(oracle.TINIES["distilbert"], hidden_act="relu"),
}
CASES = [
    (name, heads)
    for name, config in CONFIGS.items()
    for heads in HEADS[config.family]
    if config.pooler or heads not in NEED_POOLER.get(config.family, ())
]
CLASSES = {
    ("bert", ("mlm", "nsp")): "BertForPreTraining",
    ("bert", ("classifier",)): "BertForSequenceClassification",
    ("bert", ("token_classifier",)): "BertForTokenClassification",
    ("bert", ("nsp",)): "BertForNextSentencePrediction",
    ("distilbert", ("span",)): "DistilBertForQuestionAnswering",
    ("electra", ("pre_choice", "choice")): "ElectraForMultipleChoice",
    ("albert", ("mlm", "sop")): "AlbertForPreTraining",
    ("distilbert", ("mlm",)): "DistilBertForMaskedLM",
    ("electra", ("rtd",)): "ElectraForPreTraining",
    ("electra_generator", ("mlm",)): "ElectraForMaskedLM",
    ("roberta", ()): "RobertaModel",
    ("mpnet", ("mlm",)): "MPNetForMaskedLM",
}
MPNETS_FOR = {"[PAD]": "<pad>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}
LABELS = ("tea", "stone", "rain", "none")
NOISE = 1e-5  # weights of 0.3 make sums twice as large as those of the references, held to 5e-6
OF_LOGITS = {"atol": 2e-5, "rtol": 1e-5}  # which are sums of such values, up to 10


def contents(name, heads, seed=0):
    config = CONFIGS[name]
    shapes = weights.expected_shapes(config, heads, len(LABELS))
    table = names.variables(config, "huggingface", names.kind_of(heads))
    has_pooler = {"nsp", "sop"} & {*heads} or heads in [("classifier",), ("choice",), ()]
    if not has_pooler:  # in transformers' class for these heads
        shapes = {n: s for n, s in shapes.items() if not n.startswith("pooler/")}
    arrays = oracle.random_weights({n: s for n, s in shapes.items() if n in table}, seed)
    lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    lines = [MPNETS_FOR.get(x, x) for x in lines] if config.family == "mpnet" else lines
    lines += [f"w{i}" for i in range(config.vocab_size - len(lines))]
    labels = LABELS if {"classifier", "token_classifier"} & {*heads} else None
    return weights.Contents(config, arrays, weights.of_vocabulary(lines, lowercase=True), labels)


@pytest.mark.soak
def test_transformers_computes_the_same(tmp_path):
    jobs, cases = [], []
    for number, (name, heads) in enumerate(CASES):
        ours = contents(name, heads, number)
        folder = weights.save(tmp_path / str(number), ours, "huggingface")
        inputs = oracle.random_inputs(ours.config, seed=number)
        theirs = dict(
            zip(("input_ids", "token_type_ids", "attention_mask"), inputs.values(), strict=True)
        )
        np.savez(tmp_path / f"{number}_in.npz", **theirs)
        files = [tmp_path / f"{number}_in.npz", tmp_path / f"{number}_out.npz"]
        jobs.append([str(path) for path in (folder, *files)])
        cases.append((ours.config, heads, folder, inputs, files[1]))
    said = peers.run("transformers", "open_with_transformers.py", jobs)
    for (config, heads, folder, inputs, out), report in zip(cases, said, strict=True):
        assert report["class"] == CLASSES.get((config.family, heads), report["class"])
        assert (report["missing"], report["unexpected"]) == ([], []), folder
        if "classifier" in heads or "token_classifier" in heads:
            assert tuple(report["id2label"].values()) == LABELS
        compare(config, heads, folder, inputs, np.load(out))


def compare(config, heads, folder, inputs, theirs):
    found = Encoder.from_preset(folder)(inputs)
    for i, state in enumerate(found["layer_outputs"]):
        if config.inner_group_num == 1:  # else theirs are counted otherwise
            np.testing.assert_allclose(state, theirs[f"layer_{i}"], atol=NOISE, rtol=0)
    if "pooler_output" in theirs:
        np.testing.assert_allclose(
            found["pooled_output"], theirs["pooler_output"], atol=NOISE, rtol=0
        )
    if "mlm" in heads:
        task = MaskedLM.from_preset(folder)
        places = np.tile(np.arange(inputs["token_ids"].shape[1], dtype="int32"), (5, 1))
        logits = task(inputs | {"masked_positions": places})
        wanted = theirs["prediction_logits" if "prediction_logits" in theirs else "logits"]
        real = inputs["padding_mask"] == 1  # the task computes no padding
        np.testing.assert_allclose(logits.numpy()[real], wanted[real], **OF_LOGITS)
    if "classifier" in heads:
        task = TextClassifier.from_preset(folder)
        assert (task.labels, task.load_report.missing) == (list(LABELS), [])
        np.testing.assert_allclose(task(inputs), theirs["logits"], **OF_LOGITS)
    kind = names.kind_of(heads)
    if kind in ("tokens", "spans", "choice") or heads == ("nsp",):
        checkpoint = weights.open_checkpoint(folder)
        assert weights.head_kinds(checkpoint) == (kind,)
        encoder = Encoder(checkpoint.config)
        model, variables = head_models.model_of(encoder, kind, len(LABELS))
        assert load_variables(checkpoint, variables).missing == []
        wanted = (
            theirs["logits"]
            if kind != "spans"
            else np.stack([theirs["start_logits"], theirs["end_logits"]], -1)
        )
        np.testing.assert_allclose(model(inputs), wanted, **OF_LOGITS)


KINDS = {  # name -> the config, and the files of a tokenizer below the assets or our references
    "uncased": ("bert", {"vocab.txt": "vocab/bert-base-uncased/vocab.txt"}),
    "cased": ("bert", {"vocab.txt": "vocab/bert-base-cased/bert-base-cased-vocab.txt"}),
    "chinese": ("bert", {"vocab.txt": "vocab/bert-base-chinese/vocab.txt"}),
    "albert": ("albert", {"spiece.model": "vocab/albert/spiece.model"}),
    "roberta": ("roberta", {n: f"tokenizers/{n}" for n in ("vocab.json", "merges.txt")}),
    "mpnet": ("mpnet", {"vocab.txt": "vocab/bert-base-uncased/vocab.txt"}),
    "xlm_roberta": (
        "roberta",
        {"sentencepiece.bpe.model": "tokenizers/sentencepiece.bpe.model"},
    ),
}
TEXTS = [
    "unaffable, Café!",
    "中文 don't",
    "naïve ß",
    "",
    "the kettle hums  twice",
    "tea & rain",
]


@pytest.mark.soak
def test_transformers_cuts_texts_as_we_do(tmp_path, assets, reference):
    folders, ours = [], []
    for kind, (name, places) in KINDS.items():
        found = {n: [root / p for root in (assets, reference)] for n, p in places.items()}
        files = {
            n: next(p for p in paths if p.is_file()).read_bytes() for n, paths in found.items()
        }
        if kind == "mpnet":
            for googles, theirs in MPNETS_FOR.items():
                text = files["vocab.txt"].replace(f"{googles}\n".encode(), f"{theirs}\n".encode())
                files["vocab.txt"] = text
        config = dataclasses.replace(oracle.TINIES[name], vocab_size=30_522)
        if kind == "xlm_roberta":
            config = dataclasses.replace(config, family="xlm_roberta")
        arrays = oracle.random_weights(weights.expected_shapes(config))
        lowercase = {
            "uncased": True,
            "cased": False,
            "chinese": True,
            "albert": True,
            "mpnet": True,
        }.get(kind)
        source = weights.TokenizerSource(files).with_settings(lowercase=lowercase)
        content = weights.Contents(config, arrays, source)
        folder = weights.save(tmp_path / kind, content, "huggingface")
        preprocessor = TextClassifier.from_preset(folder, labels=2).preprocessor
        ours.append([preprocessor([text])["token_ids"][0].numpy().tolist() for text in TEXTS])
        folders.append(str(folder))
    theirs = peers.run("transformers", "tokenize_with_transformers.py", folders, TEXTS)
    for kind, mine, wanted in zip(KINDS, ours, theirs, strict=True):
        assert mine == wanted, kind
