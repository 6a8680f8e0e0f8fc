"""Small files of adapters: peft's words and names, in both directions."""

import json
from pathlib import Path

import numpy as np
import oracle
import peers
import pytest
from closeness import FORMULA, FORWARD, assert_near

import bert_tf2
from bert_tf2 import weights
from bert_tf2.weights import adapter_files, peft_words
from bert_tf2.weights.containers import safetensors

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea"]
# === With peft itself. ============================================================================
FAMILIES = ("bert", "albert", "albert, inner groups", "distilbert", "electra", "roberta", "mpnet")
QUERY_VALUE = {"distilbert": ["q_lin", "v_lin"], "mpnet": ["q", "v"]}
CONFIGS = {
    "query and value": {},
    "dense": {"target_modules": ["dense"], "use_rslora": True, "bias": "lora_only"},
    "all": {"target_modules": "all-linear", "bias": "all", "lora_alpha": 16, "r": 3},
    "patterns": {
        "target_modules": r".*layer.*(query|\.intermediate\.dense)",
        "rank_pattern": {r"layer\.1\.attention\.self\.query": 2},
        "alpha_pattern": {"intermediate.dense": 3},
    },
    "one layer": {"target_modules": ["query", "dense"], "layers_to_transform": [1]},
    "but for": {"target_modules": "all-linear", "exclude_modules": ["key", "pooler.dense"]},
}
NOT_IN = {"distilbert": ("dense",)}  # which has no layer of that name
CASES = [
    (f, c) for f in FAMILIES for c in ("query and value", "dense") if c not in NOT_IN.get(f, ())
]
CASES += [(f, "all") for f in ("bert", "albert", "albert, inner groups")]
CASES += [("bert", c) for c in ("patterns", "one layer", "but for")]


@pytest.mark.full
def test_peft_computes_the_same(tmp_path):
    """What peft writes, opened here; and what we write of it, opened there: equal numbers."""
    jobs, opened = [], {}
    for family in FAMILIES:
        task = oracle.tiny_classifier(config=oracle.with_dropout(oracle.TINIES[family], 0.0))
        task.save_to_preset(tmp_path / family, "huggingface")
        x = {n: np.array(v) for n, v in task.prepare(task.read(TEXTS))[0].items()}
        names = ("input_ids", "token_type_ids", "attention_mask")
        np.savez(tmp_path / f"{family}.npz", **dict(zip(names, x.values(), strict=True)))
        opened[family] = task, x
    for family, case in CASES:
        config = {"target_modules": QUERY_VALUE.get(family, ["query", "value"]), "r": 4}
        config |= {"task_type": "SEQ_CLS", "lora_alpha": 8} | CONFIGS[case]
        jobs.append(job(tmp_path, family, case) | {"config": config})
    peers.run("transformers", "peft_adapters.py", jobs)
    for (family, case), of_peft in zip(CASES, jobs, strict=True):
        task, x = opened[family]
        want, name = np.load(of_peft["out"]), "theirs"
        task.load_adapter(of_peft["folder"], name)
        assert np.abs(want["logits"] - want["plain"]).max() > 0.01
        assert_near(task(x), want["logits"], FORWARD, err_msg=f"{family} {case}")
        task.merge_adapter()
        assert_near(task(x), want["merged"], FORWARD, err_msg=f"{family} {case}")
        task.save_adapter(job(tmp_path, family, case, "ours")["folder"], format="peft")
        task.delete_adapter(name)
    ours = [job(tmp_path, family, case, "ours") for family, case in CASES]
    peers.run("transformers", "peft_adapters.py", ours)
    for of_peft, of_ours in zip(jobs, ours, strict=True):
        want, got = np.load(of_peft["out"]), np.load(of_ours["out"])
        assert_near(got["logits"], want["logits"], FORMULA, err_msg=of_ours["folder"])


def job(place, family, case, whose="peft"):
    name = f"{whose} {family} {case}"
    found = {"base": place / family, "ids": place / f"{family}.npz"}
    found |= {"folder": place / name, "out": place / f"{name}.npz"}
    return {key: str(value) for key, value in found.items()}


# === By hand. =====================================================================================


def made():
    return oracle.tiny_classifier(config=oracle.with_dropout(oracle.SMALL, 0.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a LoRA of query and value, its head beside it, as peft has it."""
    place = tmp_path_factory.mktemp("adapters") / "a"
    return made().add_adapter("lora", rank=2).save_adapter(place, base_name="tiny")


def test_the_files_are_those_of_peft(folder):
    listed = safetensors.list_variables(folder / "adapter_model.safetensors")
    first = "base_model.model.bert.encoder.layer.0.attention.self"
    assert {name: shape for name, (shape, _) in listed.items()} == {
        f"{first}.query.lora_A.weight": (2, 24),
        f"{first}.query.lora_B.weight": (24, 2),
        f"{first}.value.lora_A.weight": (2, 24),
        f"{first}.value.lora_B.weight": (24, 2),
        "base_model.model.classifier.weight": (3, 24),
        "base_model.model.classifier.bias": (3,),
    }
    said = json.loads((folder / "adapter_config.json").read_text())
    told = {"peft_type": "LORA", "task_type": "SEQ_CLS", "r": 2, "lora_alpha": 8.0}
    told |= {"target_modules": ["query", "value"], "modules_to_save": ["classifier"]}
    told |= {"base_model_name_or_path": "tiny", "bias": "none", "use_rslora": False}
    assert told.items() <= said.items()
    assert not Path(folder).with_name(".a").exists()


def edited(folder, place, words, tensors=None):
    """A copy of both files, with other words."""
    place.mkdir()
    said = json.loads((folder / "adapter_config.json").read_text()) | words
    (place / "adapter_config.json").write_text(json.dumps(said))
    names = safetensors.list_variables(folder / "adapter_model.safetensors")
    found = safetensors.read(folder / "adapter_model.safetensors", names) | (tensors or {})
    safetensors.write(place / "adapter_model.safetensors", found)
    return place


@pytest.mark.parametrize(
    "words, message",
    [
        ({"peft_type": "IA3"}, "`peft_type` must be LORA.*IA3"),
        ({"use_dora": True}, "nothing here computes: .*use_dora"),
        ({"lora_bias": True}, "nothing here computes: .*lora_bias"),
        ({"trainable_token_indices": [1]}, "nothing here computes: .*trainable_token_indices"),
        ({"of_tomorrow": 1}, "nothing here computes: .*of_tomorrow"),
        ({"init_lora_weights": "pissa"}, "`init_lora_weights` must be one of .*pissa"),
        ({"r": 3}, r"says rank 3 of bert.encoder.layer.0.attention.self.query. Received: \(2,\)"),
        ({"r": "2"}, "r must be an integer. Received: '2'"),
        ({"target_modules": ["query"]}, "disagree.*tensors that are no targets: layer_0/.*/value"),
        ({"target_modules": ["query", "value", "key"]}, "disagree.*no tensors: layer_0/.*/key"),
        ({"target_modules": "(query"}, "`target_modules` is no regular expression"),
    ],
)
def test_words_that_nothing_here_follows(folder, tmp_path, words, message):
    place = edited(folder, tmp_path / "b", words)
    with pytest.raises(weights.CheckpointError, match=message):
        made().load_adapter(place)


def test_a_head_of_another_task_type_is_refused(folder, tmp_path):
    """Of a file that says no more than peft's words; without a word, or a head, it is taken."""
    place = edited(folder, tmp_path / "b", {"task_type": "TOKEN_CLS"})
    with pytest.raises(
        weights.CheckpointError, match=r"`task_type` TOKEN_CLS\. Received: .*SEQ_CLS"
    ):
        made().load_adapter(place)
    made().load_adapter(edited(folder, tmp_path / "c", {"task_type": None}))
    bare = made().add_adapter("lora", rank=2, train_head=False).save_adapter(tmp_path / "bare")
    made().load_adapter(edited(bare, tmp_path / "d", {"task_type": "TOKEN_CLS"}))


def test_tensors_and_files_that_are_not_the_adapters(folder, tmp_path):
    more = {"base_model.model.bert.pooler.dense.weight": np.zeros((24, 24), "float32")}
    place = edited(folder, tmp_path / "b", {}, more)
    with pytest.raises(weights.CheckpointError, match=r"no place for: .*bert.pooler.dense.weight"):
        made().load_adapter(place)
    (place / "adapter_model.safetensors").write_bytes(b"no")
    with pytest.raises(weights.CheckpointError, match="cannot be read as safetensors"):
        made().load_adapter(place)
    (place / "adapter_model.safetensors").unlink()
    with pytest.raises(weights.CheckpointError, match=r"adapter_model.safetensors is missing"):
        made().load_adapter(place)
    with pytest.raises(FileExistsError):
        made().add_adapter().save_adapter(folder)
    with pytest.raises(ValueError, match="peft has no words for this adapter: it has no 'bias'"):
        made().add_adapter("bias").save_adapter(tmp_path / "c", format="peft")
    assert not (tmp_path / "c").exists()


def test_fields_of_tomorrow_that_say_no_are_taken(folder, tmp_path):
    place = edited(folder, tmp_path / "b", {"of_tomorrow": False, "peft_version": "9"})
    made().load_adapter(place)


@pytest.mark.parametrize(
    "words, want",
    [
        ({"target_modules": ["value"]}, {"value"}),
        ({"target_modules": r"encoder\..*\.(key|value)"}, {"key", "value"}),
        ({"target_modules": "all-linear", "exclude_modules": ["dense"]}, {"query", "key", "value"}),
        ({}, {"query", "value"}),
    ],
)
def test_targets_are_named_as_peft_names_them(words, want):
    modules = adapter_files.modules_of(oracle.SMALL)
    found = peft_words.targets(words, modules, "bert.")
    assert {unit.rpartition("/")[2] for unit in found} == want


def test_an_adapter_of_a_bare_encoder_has_no_prefix(tmp_path):
    task = oracle.tiny_task(bert_tf2.SentenceEncoder, oracle.with_dropout(oracle.SMALL, 0.0))
    task.add_adapter("lora", targets="query").save_adapter(tmp_path / "a")
    listed = safetensors.list_variables(tmp_path / "a/adapter_model.safetensors")
    assert all(name.startswith("base_model.model.encoder.layer.0.") for name in listed)
    said = json.loads((tmp_path / "a/adapter_config.json").read_text())
    assert said["task_type"] == "FEATURE_EXTRACTION" and said["modules_to_save"] is None
