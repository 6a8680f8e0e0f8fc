"""The index of a checkpoint in several files: JSON whose `weight_map` says where everything is."""

import os
from pathlib import Path

from bert_tf2 import files
from bert_tf2.messages import shorten
from bert_tf2.weights.report import CheckpointError


def files_of(path: Path) -> list[Path]:
    """The files that hold the tensors: `path` itself, or those that an index lists beside it.

    Raises:
        CheckpointError: the index is damaged, or a file is missing or not beside it.
    """
    found = [path] if path.suffix != ".json" else _listed(path)
    for file in found:  # before a library opens it: a FIFO would wait for ever
        files.check_regular(file, error=CheckpointError)
    return found


def _listed(index: Path) -> list[Path]:
    # Keras lists the shards of a layer where it lies in several.
    schema = {"weight_map": {str: (str, [str])}}
    places = files.read_json(index, schema, error=CheckpointError)["weight_map"].values()
    names = {n for place in places for n in ([place] if isinstance(place, str) else place)}
    if elsewhere := sorted(name for name in names if Path(name).name != name or "\0" in name):
        raise CheckpointError(
            f"{index} lists files that are not beside it: {shorten(elsewhere, 300)}."
        )
    found = [index.parent / name for name in sorted(names)]
    if missing := [file.name for file in found if not os.path.lexists(file)]:
        raise CheckpointError(f"{index} lists shards that are not there: {shorten(missing, 300)}.")
    return found
