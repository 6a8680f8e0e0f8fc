"""Damaged files end in a clear error: no crash, no hang, nothing half written, nothing executed."""

import json
import pickle
import subprocess
import sys
import types
from pathlib import Path

import oracle
import peers
import pytest
from by_default import by_default
from processes import environment

import bert_tf2
from bert_tf2 import Encoder, conversion, weights
from bert_tf2.weights.saving import WRITERS

FUZZ = Path(__file__).parents[1] / "helpers" / "fuzz.py"
CASES = 60


def write(folder, format, name="bert"):
    config = oracle.TINIES[name]
    arrays = oracle.random_weights(weights.expected_shapes(config, ("mlm",)))
    lines = weights.of_vocabulary([f"w{i}" for i in range(config.vocab_size)], lowercase=True)
    conversion.write(weights.Contents(config, arrays, lines), folder, format)
    return folder


def run(folder, work, first, last):
    return subprocess.run(
        [sys.executable, FUZZ, folder, work, str(first), str(last)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=environment(),
    )


@pytest.mark.parametrize("format", by_default(WRITERS, ["huggingface"]))
def test_no_damage_does_more_than_raise(tmp_path, format):
    folder = write(tmp_path / "whole", format)
    done = run(folder, tmp_path, 0, CASES)
    assert done.returncode == 0, (done.stdout[-300:], done.stderr[-2000:])
    lines = done.stdout.splitlines()
    assert len(lines) == CASES
    refused = [line for line in lines if not line.endswith(": converted")]
    assert len(refused) > CASES / 4, lines  # and the rest changed numbers, or words of no meaning


@pytest.mark.soak
@pytest.mark.parametrize("format", WRITERS)
def test_nor_do_four_hundred(tmp_path, format):
    folder = write(tmp_path / "whole", format)
    done = run(folder, tmp_path, 1000, 1400)
    assert done.returncode == 0, (done.stdout[-300:], done.stderr[-2000:])


@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 10**12},
        {"max_position_embeddings": 10**15},
        {"hidden_size": 3 * 10**9},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 10**30},
        {"intermediate_size": -1},
    ],
)
@pytest.mark.parametrize("format", ["google", "huggingface"])
def test_huge_sizes_are_refused_before_anything_is_made(tmp_path, format, change):
    folder = write(tmp_path / "a", format)
    (file,) = folder.glob("*config.json") if format == "google" else [folder / "config.json"]
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=f"{next(iter(change))}|blocks|does not fit the model"):
        Encoder.from_preset(folder)


def test_json_without_end(tmp_path):
    folder = write(tmp_path / "a", "huggingface")
    for name in ("config.json", "tokenizer_config.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_text("[" * 200_000)
        with pytest.raises(ValueError, match=name):
            weights.open_checkpoint(folder)
        (folder / name).write_bytes(whole)
    weights.open_checkpoint(folder)


# --- Pickles. -------------------------------------------------------------------------------------


class Evil:
    """What unpickling would run."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


def test_without_torch_a_pickle_stays_closed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    folder = write(tmp_path / "a", "huggingface")
    (folder / "model.safetensors").unlink()
    file = folder / "pytorch_model.bin"
    file.write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    for path in (folder, file):
        with pytest.raises(weights.CheckpointError, match="only torch opens it safely"):
            Encoder.from_preset(path)
    assert not (tmp_path / "ran").exists()


def test_a_torch_that_ran_code_is_not_used(tmp_path, monkeypatch):
    """Any module will do: it must not come to loading."""
    old = types.ModuleType("torch")
    old.__version__ = "2.5.1+cpu"
    monkeypatch.setitem(sys.modules, "torch", old)
    folder = write(tmp_path / "a", "huggingface")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(weights.CheckpointError, match=r"before PyTorch 2\.6.*2\.5\.1"):
        Encoder.from_preset(folder)


@pytest.mark.soak
def test_torch_files(tmp_path, assets):
    """By torch alone: the numbers are those of the safetensors, and code is not run."""
    said = peers.run_here(
        "transformers",
        "read_torch_files.py",
        str(assets / "reference" / "distilbert_tiny"),
        str(tmp_path),
    )
    assert said["equal"] > 30
    assert said["sharded"] == said["equal"]
    assert said["refused"] == [
        "code",
        "cut",
        "pointer",
        "an object",
        "a list",
        "an old one with code",
    ]
    assert not (tmp_path / "ran").exists()


def test_a_folder_with_both_takes_the_one_that_runs_nothing(tmp_path):
    folder = write(tmp_path / "a", "huggingface")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    assert weights.open_checkpoint(folder).path.name == "model.safetensors"
    bert_tf2.convert(folder, tmp_path / "b", to="google")
    assert not (tmp_path / "ran").exists()
