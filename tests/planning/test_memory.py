"""The predicted memory of a step: its arithmetic, what is suggested, the verb, and real peaks."""

import dataclasses
import json
import math
import subprocess
import sys

import pytest

from benchmarks import memory as measurements
from bert_tf2 import cli
from bert_tf2.config import EncoderConfig
from bert_tf2.planning import memory
from bert_tf2.planning.memory import GIB, Step, predict, suggest
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import write_config

BASE = VARIANTS["uncased_L-12_H-768_A-12"]
SMALL = VARIANTS["uncased_L-4_H-512_A-8"]
ALBERT = VARIANTS["albert_base_v1"]
CONFIGS = {"bert": SMALL, "albert": ALBERT, "electra": VARIANTS["electra_small"]}


def size(prediction, name):
    return sum(term.size for term in prediction.terms if term.name == name)


# --- The terms ------------------------------------------------------------------------------------


def test_the_terms_of_a_step_by_hand():
    """A BERT of two blocks without dropout, of D = 8 and I = 20: on one token, and on many."""
    config = EncoderConfig(
        vocab_size=50,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        max_position_embeddings=10,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    block = 4 * (8 * 8 + 8) + (8 * 20 + 20) + (20 * 8 + 8) + 2 * 16
    weights = (50 + 10 + 2) * 8 + 16 + 2 * block + (8 * 8 + 8) + (8 * 2 + 2)
    found = predict(config, Step(1, 1))
    assert found.moment == "update"  # there is little to keep
    assert size(found, "weights") == 4 * weights
    assert size(found, "optimizer") == 8 * weights
    assert size(found, "gradients") == 4 * (weights + 8)
    found = predict(dataclasses.replace(config, max_position_embeddings=400), Step(100, 400))
    tokens = 100 * 400
    assert found.moment == "turn"  # now there is much
    assert size(found, "tokens") == 4 * tokens * 8 * (6 + 2)
    assert size(found, "scores") == 4 * 100 * 2 * 400**2
    assert size(found, "feed-forward") == 4 * tokens * 20 * 2
    assert size(found, "last block") == 4 * tokens * 8 * 3


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_terms_add_up_and_are_explained(config, device):
    for step in memory.in_order_of_cost(Step(8, 128)):
        found = predict(config, step, device)
        assert found.moment in memory.MOMENTS
        assert found.peak == sum(term.size for term in found.terms)
        assert all(term.size > 0 and term.why for term in found.terms)
        assert len({term.name for term in found.terms}) == len(found.terms)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_more_texts_or_tokens_take_more(config, recompute, dtype):
    step = Step(1, 16, recompute=recompute, dtype=dtype)
    for field in ("batch_size", "length"):
        steps = [dataclasses.replace(step, **{field: n}) for n in (16, 32, 128, 256)]
        peaks = [predict(config, step).peak for step in steps]
        assert peaks == sorted(set(peaks))


def test_each_setting_saves_where_activations_are_most():
    step = Step(32, 128)
    peak = predict(BASE, step).peak
    for change in ({"recompute": True}, {"micro_batches": 4}, {"dtype": "mixed_bfloat16"}):
        assert predict(BASE, dataclasses.replace(step, **change)).peak < 0.8 * peak
    assert predict(BASE, dataclasses.replace(step, pooling="mean")).peak > peak


def test_shared_weights_have_a_gradient_for_each_use():
    found = predict(ALBERT, Step(1, 8))
    shapes = memory.expected_shapes(ALBERT)
    block = sum(math.prod(shape) for name, shape in shapes.items() if name.startswith("group_0"))
    assert size(found, "shared gradients") == 11 * 4 * block
    assert not size(predict(BASE, Step(1, 8)), "shared gradients")


def test_fixed_positions_are_not_trained():
    config = dataclasses.replace(SMALL, sinusoidal_positions=True)
    less = size(predict(SMALL, Step()), "weights") - size(predict(config, Step()), "weights")
    assert less == 4 * 512 * 512


@pytest.mark.parametrize(
    "values, word",
    [
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"length": 0}, "`length`"),
        ({"micro_batches": 0}, "`micro_batches`"),
        ({"dtype": "float16"}, "`dtype` must be one of"),
        ({"pooling": "max"}, "`pooling` must be one of"),
    ],
)
def test_steps_that_cannot_be(values, word):
    with pytest.raises(ValueError, match=f"{word}.*Received"):
        Step(**values)


def test_longer_than_the_encoder_and_unknown_devices():
    with pytest.raises(ValueError, match=r"`length` must be at most 512.*Received: 513"):
        predict(BASE, Step(1, 513))
    with pytest.raises(ValueError, match="`device` must be one of"):
        predict(BASE, Step(), "tpu")


# --- What is suggested ----------------------------------------------------------------------------


def test_the_order_of_cost():
    steps = [*memory.in_order_of_cost(Step(6, 128))]
    told = [(s.dtype, s.recompute, s.micro_batches) for s in steps]
    parts = (1, 2, 4, 6)
    float32, bfloat16 = "float32", "mixed_bfloat16"
    assert told == [(d, r, n) for d in (float32, bfloat16) for r in (False, True) for n in parts]
    asked = Step(4, 128, recompute=True, micro_batches=2, dtype=bfloat16)
    told = [(s.dtype, s.recompute, s.micro_batches) for s in memory.in_order_of_cost(asked)]
    assert told == [(bfloat16, True, 2), (bfloat16, True, 4)]  # what is asked for stays
    assert [s.rows for s in steps[:4]] == [6, 3, 2, 1]


@pytest.mark.parametrize("gib", [12, 6, 4, 3, 2.4, 2])
def test_the_first_that_fits_is_suggested(gib):
    step = Step(32, 256)
    chosen, prediction = suggest(BASE, step, gib * GIB)
    tried = [*memory.in_order_of_cost(step)]
    peaks = [predict(BASE, candidate).peak for candidate in tried]
    assert prediction == predict(BASE, chosen)
    fitting = [c for c, peak in zip(tried, peaks, strict=True) if peak <= gib * GIB]
    if fitting:
        assert chosen == fitting[0]
    else:
        assert prediction.peak == min(peaks) > gib * GIB


# --- The verb -------------------------------------------------------------------------------------


def run(capsys, *argv):
    assert cli.main(["plan", *argv]) == 0
    return capsys.readouterr().out


def test_a_plan_that_fits(capsys):
    said = run(capsys, "uncased_L-4_H-512_A-8", "--seq=128", "--memory_gb=24", "--device=cpu")
    found = predict(SMALL, Step(32, 128))
    for term in found.terms:
        assert f"{term.name} " in said and term.why in said
    assert f"{found.peak / GIB:.2f}" in said
    assert "24.0 GiB (as given, on a CPU). It fits." in said
    assert "--train_batch_size=32 --max_seq_length=128 …" in said
    assert "tight" not in said and "cheapest" not in said


def test_a_plan_needs_no_tensorflow():
    code = (
        "import sys; sys.argv = ['bert_tf2']; from bert_tf2 import cli\n"
        "assert cli.main(['plan', '--init_checkpoint=albert_base_v2']) == 0\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", ["xlm_roberta_base", "distil_bert_base_en", "electra_base_generator"]
)
def test_other_families_are_planned_for_too(name, capsys):
    config = VARIANTS["distilbert_base_cased" if name == "distil_bert_base_en" else name]
    said = run(capsys, name, "--seq=128", "--memory_gb=99", "--device=cpu")
    assert f"{predict(config, Step(32, 128)).peak / GIB:.2f}" in said


def test_a_plan_that_needs_changes(capsys):
    argv = ["--preset=bert_base_en_uncased", "--batch=64", "--seq=384", "--memory_gb=4"]
    said = run(capsys, *argv, "--device=cpu", "--pooling=mean")
    step = Step(64, 384, pooling="mean")
    chosen, prediction = suggest(BASE, step, 4 * GIB)
    assert prediction.peak <= 4 * GIB
    assert "It does not fit." in said
    assert f"{predict(BASE, step).peak / GIB:.2f}" in said
    assert f"--pooling=mean --micro_batches={chosen.micro_batches} …" in said
    assert f"model.compile(micro_batches={chosen.micro_batches})" in said
    assert 'max_length=384, pooling="mean")' in said


def test_a_plan_in_bfloat16_with_recompute(capsys):
    argv = ["--precision=bfloat16", "--recompute", "--micro_batches=2", "--memory_gb=100"]
    said = run(capsys, "--init_checkpoint=albert_base_v2", *argv)
    assert "--precision=bfloat16 --recompute --micro_batches=2" in said
    assert 'dtype="mixed_bfloat16", recompute=True)' in said


def test_nothing_fits(capsys):
    argv = ["--init_checkpoint=albert_xxlarge_v2", "--max_seq_length=512", "--memory_gb=3"]
    said = run(capsys, *argv, "--device=cpu")
    _, prediction = suggest(VARIANTS["albert_xxlarge_v2"], Step(32, 512), 3 * GIB)
    assert f"Nothing fits. The least is {prediction.peak / GIB:.2f} GiB" in said
    assert "finetune" not in said


def test_a_tight_plan_and_one_for_a_gpu_say_so(capsys):
    peak = predict(SMALL, Step(32, 128), "gpu").peak / GIB
    argv = ["--init_checkpoint=uncased_L-4_H-512_A-8", "--device=gpu"]
    said = run(capsys, *argv, f"--memory_gb={1.1 * peak}")
    assert "It is tight" in said and "were not measured" in said


def test_sizes_from_a_config_and_memory_from_the_machine(capsys, tmp_path):
    file = tmp_path / "bert_config.json"
    tiny = VARIANTS["uncased_L-2_H-128_A-2"]
    file.write_text(json.dumps(write_config(tiny, "google")), encoding="utf-8")
    said = run(capsys, f"--bert_config_file={file}", "--train_batch_size=1", "--device=cpu")
    assert f"{predict(tiny, Step(1, 128)).peak / GIB:.2f}" in said
    assert "available on this machine" in said
    assert "--init_checkpoint=CHECKPOINT" in said


@pytest.mark.parametrize(
    "status, argv, word",
    [
        (2, [], "--init_checkpoint or --bert_config_file"),
        (2, ["--init_checkpoint=x", "--train_batch_size=0"], "train_batch_size"),
        (2, ["--init_checkpoint=x", "--precision=float16"], "precision"),
        (1, ["--init_checkpoint=uncased_L-99"], "none of these"),
        (1, ["--bert_config_file=/no/such/file.json"], "file.json"),
        (1, ["--preset=albert_base_v2", "--seq=513"], "at most 512"),
    ],
)
def test_mistakes(capsys, status, argv, word):
    assert cli.main(["plan", *argv]) == status
    said = capsys.readouterr().err
    assert word in said and "Traceback" not in said


def test_sizes_are_known_before_the_download(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path))
    for name in ("all-MiniLM-L6-v2", "roberta_base_en"):  # the last is keras-hub's alias
        assert cli.main(["plan", f"--init_checkpoint={name}"]) == 0
    assert cli.main(["plan", "--init_checkpoint=nobody"]) == 1
    assert "'nobody', which is none of these" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


# --- Against real steps ---------------------------------------------------------------------------


def test_the_table_shows_both():
    case = measurements.Case("uncased_L-4_H-512_A-8", Step(8, 64, recompute=True))
    lines = measurements.table([(case, 1.1, 1.0)])
    row = "| uncased_L-4_H-512_A-8 | 8 × 64 | recompute | 1.10 | 1.00 | +10% |"
    assert lines[2:] == [row, "", "The largest difference is 10%."]


@pytest.mark.full
@pytest.mark.parametrize("case", measurements.QUICK, ids=lambda case: f"{case.model} {case.step}")
def test_predictions_are_within_a_fifth_of_measured_peaks(case):
    assert case.predicted() == pytest.approx(measurements.measured(case), rel=0.2)
