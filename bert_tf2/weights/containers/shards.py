"""The index of a checkpoint in several files: JSON whose `weight_map` says where everything is."""

import json
from pathlib import Path

from bert_tf2.weights.report import CheckpointError


def files_of(path: Path) -> list[Path]:
    """The files that hold the tensors: `path` itself, or those that an index lists beside it.

    Raises:
        CheckpointError: the index is damaged, or a file is missing or not beside it.
    """
    if path.suffix != ".json":
        return [path]
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
        # Keras lists the shards of a layer where it lies in several.
        names = {n for place in places for n in ([place] if isinstance(place, str) else place)}
        elsewhere = sorted(name for name in names if Path(name).name != name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} must be JSON with a `weight_map`: {error!r}") from error
    if elsewhere:
        raise CheckpointError(f"{path} lists files that are not beside it: {', '.join(elsewhere)}.")
    files = [path.parent / name for name in sorted(names)]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise CheckpointError(f"{path} lists shards that are not there: {', '.join(missing)}.")
    return files
