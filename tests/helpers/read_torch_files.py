"""Reads PyTorch's files, in an environment that has torch as well: see test_fuzzed.py."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

from bert_tf2 import weights


class Evil:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


def loaded(path):
    checkpoint = weights.open_checkpoint(path)
    return weights.load(checkpoint, weights.expected_shapes(checkpoint.config, ("mlm",)))[0]


def equal(a, b):
    assert set(a) == set(b)
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)
    return len(a)


def shards(source, folder):
    tensors = torch.load(source, weights_only=True)
    names = sorted(tensors)
    places = {}
    for number, part in enumerate((names[::2], names[1::2])):
        file = f"pytorch_model-0000{number + 1}-of-00002.bin"
        torch.save({name: tensors[name] for name in part}, folder / file)
        places |= dict.fromkeys(part, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))


def main(source, work):
    folder = work / "pickled"
    folder.mkdir()
    shutil.copy(source / "config.json", folder)
    wanted = loaded(source / "model.safetensors")
    file = folder / "pytorch_model.bin"
    shutil.copy(source / "pytorch_model.bin", file)
    said = {"equal": equal(loaded(folder), wanted), "refused": []}
    half = {n: t.bfloat16() for n, t in torch.load(file, weights_only=True).items()}
    torch.save(half, file)
    rounded = {n: torch.tensor(np.array(a)).bfloat16().float().numpy() for n, a in wanted.items()}
    equal(loaded(folder), rounded)
    torch.save(half, file, _use_new_zipfile_serialization=False)  # as before PyTorch 1.6
    equal(loaded(folder), rounded)
    whole, evil = file.read_bytes(), Evil(work / "ran")
    old = lambda x: torch.save(x, file, _use_new_zipfile_serialization=False)  # noqa: E731
    for name, write in {
        "code": lambda: file.write_bytes(pickle.dumps(evil)),
        "cut": lambda: file.write_bytes(whole[: len(whole) // 2]),
        "pointer": lambda: file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
        "an object": lambda: torch.save({"a": evil}, file),
        "a list": lambda: torch.save([1, 2], file),
        "an old one with code": lambda: old({"a": evil}),
    }.items():
        write()
        try:
            loaded(folder)
        except weights.CheckpointError:
            said["refused"].append(name)
    file.unlink()
    shards(source / "pytorch_model.bin", folder)
    said["sharded"] = equal(loaded(folder), wanted)
    print(json.dumps(said))


main(*(Path(json.loads(argument)) for argument in sys.argv[1:]))
