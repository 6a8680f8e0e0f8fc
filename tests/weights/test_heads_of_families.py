"""Each head of each family: what it computes, what the formats call it, what a file says it is."""

import shutil

import googles
import head_models
import numpy as np
import oracle
import peers
import pytest
import saved
import shell
from closeness import BACKWARD, FORWARD
from safetensors.numpy import save_file

from bert_tf2 import Encoder, convert, weights
from bert_tf2.weights import names, saving
from bert_tf2.weights.containers import bundle
from bert_tf2.weights.filling import load_variables

KINDS = ["bert", "albert", "distilbert", "electra", "electra_generator", "roberta", "mpnet"]
KINDS += ["bert without pooler", "roberta without pooler"]
FORMATS = [
    (name, format)
    for name in KINDS
    for family, format in names.NAMES
    if family == oracle.TINIES[name].family and format in saving.WRITERS and format != "keras_hub"
]
# What formats have no name for.
NOWHERE = {
    ("electra", "google"): {"classes", "tokens", "spans", "choice"},
    ("electra_generator", "google"): {"classes", "tokens", "spans", "choice"},
}


@pytest.mark.parametrize("family", KINDS)
def test_every_head_is_the_oracles(family):
    config, inputs = oracle.TINIES[family], oracle.random_inputs(oracle.TINIES[family])
    encoder = Encoder(config)
    for kind in head_models.kinds_of(config):
        model, variables = head_models.model_of(encoder, kind)
        shapes = head_models.shapes_of(config, kind)
        assert {n: tuple(v.shape) for n, v in variables.items()} == shapes
        arrays = oracle.random_weights(shapes)
        for name, variable in variables.items():
            variable.assign(arrays[name])
        want = head_models.logits_of(config, arrays, inputs, kind)
        np.testing.assert_allclose(model(inputs), want, atol=2 * BACKWARD, err_msg=kind)


@pytest.mark.parametrize("name, format", FORMATS)
def test_every_head_goes_through_every_format_that_has_it(tmp_path, name, format):
    config = oracle.TINIES[name]
    for kind in head_models.kinds_of(config):
        arrays = oracle.random_weights(head_models.shapes_of(config, kind))
        contents = weights.Contents(config, arrays)
        if kind in NOWHERE.get((name, format), ()):
            with pytest.raises(ValueError, match="Without a place"):
                weights.save(tmp_path / kind, contents, format)
            continue
        folder = weights.save(tmp_path / kind, contents, format)
        checkpoint = weights.read_as(weights.open_checkpoint(folder), kind)
        assert weights.head_kinds(checkpoint) == (kind,)
        expected = head_models.shapes_of(checkpoint.config, kind)
        got, report = weights.load(checkpoint, expected, optional_heads=False)
        assert report.skipped == []
        for ours, array in arrays.items():
            # What stood for a pooler is one where the file may have had a pooler.
            ours = ours if ours in got else ours.replace("pre_choice", "pooler")
            np.testing.assert_array_equal(got[ours], array, err_msg=ours)


# --- Google's scripts. ----------------------------------------------------------------------------

D = oracle.TINY.hidden_size
SQUAD2 = {  # google-research/albert, squad_utils.py, create_v2_model
    "start_logits/dense/kernel": (D, 1),
    "start_logits/dense/bias": (1,),
    "end_logits/dense_0/kernel": (2 * D, D),
    "end_logits/dense_0/bias": (D,),
    "end_logits/LayerNorm/gamma": (D,),
    "end_logits/LayerNorm/beta": (D,),
    "end_logits/dense_1/kernel": (D, 1),
    "end_logits/dense_1/bias": (1,),
    "answer_class/dense_0/kernel": (2 * D, D),
    "answer_class/dense_0/bias": (D,),
    "answer_class/dense_1/kernel": (D, 1),
}
ELECTRAS = {  # google-research/electra, finetune/classification/classification_tasks.py
    "task_specific/task/dense/kernel": (D, 4),
    "task_specific/task/dense/bias": (4,),
}
JOINT = {  # google-research/electra, finetune/qa/qa_tasks.py
    "task_specific/squad/dense/kernel": (D, 1),
    "task_specific/squad/dense/bias": (1,),
    "task_specific/squad/qa_hidden/kernel": (2 * D, 512),
    "task_specific/squad/qa_hidden/bias": (512,),
    "task_specific/squad/dense_1/kernel": (512, 1),
    "task_specific/squad/dense_1/bias": (1,),
    "task_specific/squad/dense_2/kernel": (2 * D, 512),
    "task_specific/squad/dense_2/bias": (512,),
    "task_specific/squad/dense_3/kernel": (512, 1),
    "task_specific/squad/dense_3/bias": (1,),
}
SCRIPTS = [  # family -> what the script's head is called, its kinds, and what is not read
    ("bert", {"output_weights": (4, D), "output_bias": (4,)}, "classes"),
    ("bert", {"cls/squad/output_weights": (2, D), "cls/squad/output_bias": (2,)}, "spans"),
    ("albert", {"output_weights": (1, D), "output_bias": (1,)}, "choice"),
    ("albert", SQUAD2, "answerable_spans"),
    ("electra", ELECTRAS, "classes"),
    ("electra", JOINT, "joint_spans"),
]


def written_by_a_script(folder, family, head):
    """An encoder's folder as Google's code writes one, with a head's arrays of their names."""
    config = oracle.TINIES[family]
    arrays = oracle.random_weights(weights.expected_shapes(config))
    saved.google(folder, config, arrays)
    checkpoint = weights.open_checkpoint(folder)
    theirs = oracle.random_weights(head, seed=1)
    bundle.write(checkpoint.path, checkpoint.read(checkpoint.variables) | theirs)
    return theirs


@pytest.mark.parametrize("family, head, kind", SCRIPTS)
def test_a_scripts_head_is_kept_and_written_back(tmp_path, family, head, kind):
    theirs = written_by_a_script(tmp_path / "theirs", family, head)
    checkpoint = weights.read_as(weights.open_checkpoint(tmp_path / "theirs"), kind)
    assert weights.head_kinds(checkpoint) == (kind,)
    assert [("are taken for a head of choice" in note) for note in checkpoint.notes] == (
        [True] if kind == "choice" else []
    )
    assert weights.other_head(checkpoint, "tokens") == kind
    assert weights.read_as(checkpoint, None) is checkpoint
    convert(tmp_path / "theirs", tmp_path / "ours", to="bert_tf2")
    assert convert(tmp_path / "ours", tmp_path / "again", to="google").skipped == []
    again = weights.open_checkpoint(tmp_path / "again")
    for name, array in again.read(theirs).items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_heads_of_two_tasks_are_chosen_from(tmp_path):
    head = {
        name.replace("/task/", f"/{task}/"): shape
        for task in ("cola", "rte")
        for name, shape in ELECTRAS.items()
    }
    written_by_a_script(tmp_path / "a", "electra", head)
    with pytest.raises(weights.CheckpointError, match=r"both task_specific/cola.* with `ignore`"):
        Encoder.from_preset(tmp_path / "a")
    left = weights.open_checkpoint(tmp_path / "a", ignore=["task_specific/rte/*"])
    assert weights.head_kinds(left) == ("classes",)


def test_electras_heads_of_other_answers_are_squads(tmp_path):
    head = {name.replace("/squad/", "/newsqa/"): shape for name, shape in JOINT.items()}
    theirs = written_by_a_script(tmp_path / "theirs", "electra", head)
    report = convert(tmp_path / "theirs", tmp_path / "google", to="google")
    assert report.skipped == []
    again = weights.open_checkpoint(tmp_path / "google").read(JOINT)
    for name, array in theirs.items():
        np.testing.assert_array_equal(again[name.replace("/newsqa/", "/squad/")], array)
    skipped = convert(tmp_path / "theirs", tmp_path / "there", to="huggingface").skipped
    assert [why for _, why in skipped] == ["huggingface has no place for it"] * len(JOINT)


@pytest.mark.parametrize(
    "without",
    ["qa_hidden", "dense_2 dense_3", "dense_3"],
    ids=["two logits a token", "no answerable classifier", "one of the first token alone"],
)
def test_electras_answers_otherwise_are_refused_by_name(tmp_path, without):
    head = {
        name: shape for name, shape in JOINT.items() if name.split("/")[2] not in without.split()
    }
    written_by_a_script(tmp_path / "theirs", "electra", head)
    with pytest.raises(weights.CheckpointError, match=f"squad/{without.split()[0]}"):
        convert(tmp_path / "theirs", tmp_path / "ours", to="bert_tf2")
    left = weights.open_checkpoint(tmp_path / "theirs", ignore=["task_specific/*"])
    assert weights.head_kinds(left) == ()
    asked = ["convert", f"--preset={tmp_path}/theirs", "--to=bert_tf2"]
    shell.runs(*asked, f"--output_dir={tmp_path}/ours", "--ignore=task_specific/squad")
    assert weights.head_kinds(weights.open_checkpoint(tmp_path / "ours")) == ()


def test_electras_tags_are_refused_by_name(tmp_path):
    head = {"task_specific/chunk/dense/kernel": (D, 9), "task_specific/chunk/dense/bias": (9,)}
    written_by_a_script(tmp_path / "theirs", "electra", head)
    report = convert(tmp_path / "theirs", tmp_path / "ours", to="huggingface")
    assert dict(report.skipped).keys() == head.keys()
    assert "tags of texts in segment 1, where no task here reads them" in str(report)


def test_electras_classifier_is_one_dense_layer_on_the_first_token(tmp_path):
    head = {n.replace("/task/", "/cola/"): shape for n, shape in ELECTRAS.items()}
    theirs = written_by_a_script(tmp_path / "theirs", "electra", head)
    checkpoint = weights.open_checkpoint(tmp_path / "theirs")
    model, variables = head_models.model_of(Encoder(checkpoint.config), "classes", 4)
    assert load_variables(checkpoint, variables).missing == []
    inputs = oracle.random_inputs(checkpoint.config)
    arrays = {name: np.asarray(v) for name, v in variables.items()}
    first = oracle.forward(checkpoint.config, arrays, inputs)["first_output"]
    want = (
        first @ theirs["task_specific/cola/dense/kernel"] + theirs["task_specific/cola/dense/bias"]
    )
    np.testing.assert_allclose(model(inputs), want, atol=2 * BACKWARD)
    with pytest.raises(ValueError, match="has gelu_erf before a head's logits, this model nothing"):
        convert(tmp_path / "theirs", tmp_path / "out", to="huggingface")


# --- transformers. --------------------------------------------------------------------------------

FAMILIES = {
    "Bert": {"hidden_act": "relu"},
    "Albert": {"embedding_size": 8, "classifier_dropout_prob": 0.3},
    "DistilBert": {},
    "Electra": {"embedding_size": 8},
    "Roberta": {"pad_token_id": 1},
    "XLMRoberta": {"pad_token_id": 1, "type_vocab_size": 1},
    "MPNet": {"pad_token_id": 1},
}
GAPS = {"0": "tea", "2": "stone", "5": "rain"}
CLASSES = {  # the end of a class's name -> kind, odd words of its config, and the classes' names
    "SequenceClassification": [
        ("classes", {"id2label": GAPS}, ("tea", "LABEL_1", "stone")),
        ("classes", {"num_labels": 1, "problem_type": "regression"}, ("LABEL_0",)),
        ("classes", {"num_labels": 1}, ("LABEL_0",)),
        (
            "classes",
            {"num_labels": 5, "problem_type": "multi_label_classification"},
            tuple(f"LABEL_{i}" for i in range(5)),
        ),
    ],
    "TokenClassification": [
        ("tokens", {"id2label": {"0": "O", "1": "B-A", "2": "I-A"}}, ("O", "B-A", "I-A")),
        ("tokens", {"num_labels": 1}, ("LABEL_0",)),
        ("tokens", {"id2label": GAPS}, ("tea", "LABEL_1", "stone")),
    ],
    "QuestionAnswering": [("spans", {}, None)],
    "MultipleChoice": [("choice", {}, None)],
}
SINGLE = {
    "BertForNextSentencePrediction": "next_sentence",
    "AlbertForPreTraining": "sentence_order",
}
WORDS = {"Albert": {}, "DistilBert": {"seq_classif_dropout": 0.4}, "MPNet": {}}


def jobs():
    for family, words in FAMILIES.items():
        own = words | WORDS.get(family, {"classifier_dropout": 0.2})
        for end, cases in CLASSES.items():
            for kind, said, labels in cases:
                yield f"{family}For{end}", own | said, kind, labels
    for name, kind in SINGLE.items():
        yield name, FAMILIES[name.split("For")[0]], kind, None


@pytest.mark.full
def test_transformers_heads_open_and_compute_the_same(tmp_path):
    cases = list(jobs())
    folders = [tmp_path / str(number) for number in range(len(cases))]
    written = [[c[0], c[1], str(f)] for c, f in zip(cases, folders, strict=True)]
    peers.run("transformers", "write_heads.py", written)
    for (name, words, kind, labels), folder in zip(cases, folders, strict=True):
        checkpoint = weights.open_checkpoint(folder)
        assert weights.head_kinds(checkpoint)[0] == kind or kind == "sentence_order", name
        assert checkpoint.labels == labels, name
        rates = [words[word] for word in words if word.startswith(("classifier_drop", "seq_"))]
        assert checkpoint.config.classifier_dropout == [*rates, 0.2 if "Distil" in name else 0.1][0]
        if kind == "classes":
            guessed = "regression" if len(labels) == 1 else "single_label_classification"
            assert weights.problem_type_of(checkpoint) == words.get("problem_type", guessed)
        golden, encoder = np.load(folder / "golden.npz"), Encoder(checkpoint.config)
        model, variables = head_models.model_of(encoder, kind, len(labels or "12"))
        report = load_variables(checkpoint, variables)
        assert (report.missing, report.unused) == ([], []), name
        inputs = {"token_ids": golden["input_ids"], "padding_mask": golden["attention_mask"]}
        inputs["segment_ids"] = np.zeros_like(golden["input_ids"])
        np.testing.assert_allclose(model(inputs), golden["logits"], atol=BACKWARD, err_msg=name)


@pytest.mark.full
@pytest.mark.parametrize(
    "file, kind, logits",
    [
        ("seqcls", "classes", ["seqcls_logits"]),
        ("tokcls", "tokens", ["tokcls_logits"]),
        ("qa", "spans", ["qa_start_logits", "qa_end_logits"]),
    ],
)
def test_distilberts_recorded_heads(assets, tmp_path, file, kind, logits):
    folder = assets / "reference" / "distilbert_tiny"
    shutil.copy(folder / "config.json", tmp_path)
    save_file(dict(np.load(folder / f"{file}_weights.npz")), tmp_path / "model.safetensors")
    checkpoint = weights.read_as(weights.open_checkpoint(tmp_path), kind)
    model, variables = head_models.model_of(Encoder(checkpoint.config), kind)
    assert load_variables(checkpoint, variables).missing == []
    golden = np.load(folder / "golden.npz")
    want = golden[logits[0]] if len(logits) == 1 else np.stack([golden[n] for n in logits], -1)
    inputs = googles.inputs_of(golden)
    inputs.setdefault("segment_ids", np.zeros_like(inputs["token_ids"]))
    np.testing.assert_allclose(model(inputs), want, atol=FORWARD)
