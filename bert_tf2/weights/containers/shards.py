"""The index of a model that Hugging Face stores in several files."""

import json
from pathlib import Path

from bert_tf2.weights.report import CheckpointError


def files_of(path: Path) -> list[Path]:
    """The files that hold the tensors: `path` itself, or the shards that an index lists.

    Args:
        path: a file, or the `….index.json` of several.

    Raises:
        CheckpointError: the index is damaged, a shard is not there, or lies in another folder.
    """
    if path.suffix != ".json":
        return [path]
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
        names = sorted(set(places))
        strangers = [name for name in names if Path(name).name != name]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} must be JSON with a `weight_map`: {error!r}") from error
    if strangers:
        raise CheckpointError(f"{path} lists files outside its folder: {', '.join(strangers[:8])}.")
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise CheckpointError(f"{path} lists shards that are not there: {', '.join(missing)}.")
    return [path.parent / name for name in names]
