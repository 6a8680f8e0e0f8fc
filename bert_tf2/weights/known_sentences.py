"""How a published checkpoint makes vectors of texts, where its folder lost the files of that."""

from pathlib import Path

from bert_tf2.files import read_json
from bert_tf2.weights import registry
from bert_tf2.weights.report import CheckpointError

# What is not said in the registry, where it is as everywhere; in full, to be written elsewhere.
USUAL = {"include_prompt": True, "prompts": {}, "similarity_fn_name": "cosine"}


def known_sentences(path: str | Path, longest: int) -> dict | None:
    """What the registry says, for a folder that it downloaded or that has a published name.

    Args:
        path: the folder. longest: text that its encoder reads, in tokens.

    Returns:
        what a checkpoint says of its task: class, settings and lengths; None where nothing is said.
    """
    folder = Path(path).absolute()
    record = folder / registry.RECORD
    name = folder.name
    if record.is_file():
        name = read_json(record, {"name": str}, error=CheckpointError)["name"]
    entry = next((entry for entry in registry.entries() if name in entry.names), None)
    if entry is None or not entry.sentences:
        return None
    said = USUAL | entry.sentences
    said["modules"] = [x if isinstance(x, dict) else {"kind": x} for x in said["modules"]]
    lengths = {"max_length": min(said.pop("max_seq_length"), longest)}
    return {"class": "SentenceEncoder", "settings": said, "preprocessor": lengths}
