"""What is converted and averaged has all that it is made of, and the same meaning."""

import dataclasses

import numpy as np
import oracle
import pytest

import bert_tf2
from bert_tf2 import conversion, weights

pytestmark = pytest.mark.full


def generator_of(folder, sizes):
    """Our name -> array of ELECTRA's generator in a folder of any format."""
    task = bert_tf2.ReplacedWords.from_preset(folder, generator=sizes)
    return {name: np.array(v) for name, v in task.generator_variables().items()}


@pytest.fixture(scope="module")
def electra(tmp_path_factory):
    sizes = dataclasses.replace(oracle.TINY, family="electra", pooler=False)
    task = oracle.tiny_task(bert_tf2.ReplacedWords, sizes)
    folder = tmp_path_factory.mktemp("electra") / "rtd"
    task.save_to_preset(folder)
    return task, folder


def test_the_generator_of_an_electra_is_converted(electra, tmp_path):
    task, folder = electra
    want = {name: np.array(v) for name, v in task.generator_variables().items()}
    for place in ("google", "bert_tf2"):
        bert_tf2.convert(folder, tmp_path / place, place)
        found = generator_of(tmp_path / place, task.generator)
        for name, array in want.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)
    report = bert_tf2.convert(folder, tmp_path / "hub", "tfhub")
    assert ("generator", "tfhub has no place for it") in report.skipped


def test_the_generator_is_read_and_averaged(electra, tmp_path):
    task, folder = electra
    contents, _ = weights.contents_of(weights.open_checkpoint(folder))
    for name, variable in task.generator_variables().items():
        np.testing.assert_array_equal(contents.generator.arrays[name], variable, err_msg=name)
    assert conversion.average([folder, folder], tmp_path / "mean", "bert_tf2") == []
    mean, _ = weights.contents_of(weights.open_checkpoint(tmp_path / "mean"))
    for name, array in contents.generator.arrays.items():
        np.testing.assert_allclose(mean.generator.arrays[name], array, rtol=1e-6, err_msg=name)


def test_checkpoints_that_mean_something_else_have_no_mean(tmp_path):
    made = {}
    for name, how in {
        "a": {"labels": ["bad", "good"]},
        "b": {"labels": ["good", "bad"]},
        "several": {"labels": ["bad", "good"], "problem_type": "multi_label_classification"},
        "lora": {"labels": ["bad", "good"]},
    }.items():
        task = oracle.tiny_task(bert_tf2.TextClassifier, oracle.TINY, **how)
        if name == "lora":
            task.add_adapter("lora")
        made[name] = tmp_path / name
        task.save_to_preset(made[name])
    conversion.average([made["a"], made["a"]], tmp_path / "mean", "bert_tf2")
    for other, said in {
        "b": "Other are: .*labels",
        "several": "Other are: .*problem_type",
        "lora": r"lora has adapters \(",
    }.items():
        with pytest.raises(ValueError, match=said):
            conversion.average([made["a"], made[other]], tmp_path / "x", "bert_tf2")
    words = made["b"] / "vocab.txt"
    (made["a"] / "vocab.txt").write_bytes(words.read_bytes().replace(b"the", b"thy", 1))
    with pytest.raises(ValueError, match=r"Other are: .*vocab\.txt"):
        conversion.average([made["a"], made["several"]], tmp_path / "x", "bert_tf2")
    assert not (tmp_path / "x").exists()
