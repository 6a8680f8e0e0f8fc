"""The folder of an index: written part by part, read where it lies.

`index.json` says what belongs to it, and is written last: who is interrupted has what was there
before. Nothing in a folder is executed.
"""

import logging
from pathlib import Path

from bert_tf2 import files, locks
from bert_tf2.messages import FileError
from bert_tf2.search import approximate, parts

LOGGER = logging.getLogger("bert_tf2")
NAME, FORMAT = "index.json", 1
SCHEMA = {
    "format": int,
    "model": (str, None),
    "width": int,
    "similarity_fn_name": str,
    "dtype": str,
    "passage_length": (int, None),
    "parts": [{"name": str, "rows": int, "documents": (int, None)}],
    "graph_file": (str, None),
    "expansion_search": int,
    "notes": {},
}


def said(folder):
    """What index.json of a folder says, a dict.

    Raises:
        ValueError: there is none, it is of a later version, or it is not what it should be.
    """
    file = Path(folder) / NAME
    if not file.is_file():
        raise FileError(f"{folder} must be the folder of an index, with {NAME}. It has none")
    found = files.read_json(file, SCHEMA)
    if found["format"] != FORMAT:
        raise FileError(f"{file}: format must be {FORMAT}. Received: {found['format']}")
    names = [part["name"] for part in found["parts"]] + [found["graph_file"] or "graph"]
    if not found["parts"] or any(Path(name).name != name or name[0] == "." for name in names):
        raise FileError(f"{file}: parts must be folders in it. Received: {names}")
    return found


def load(cls, folder, encoder=None):
    """The index in a folder; its vectors and texts stay on the disk until they are read.

    Args:
        folder: a str or Path.
        encoder: the `SentenceEncoder` that it was made with; None to ask it by vectors alone.

    Returns:
        an `Index`.

    Raises:
        ValueError: it was made by another model, or with other settings of it; or what is in the
            folder is not what index.json says.
    """
    folder, found = Path(folder), said(folder)
    if encoder is not None and encoder.fingerprint() != found["model"]:
        made = "by another model, or with other settings" if found["model"] else "without one"
        raise ValueError(
            f"{folder} must be an index of this model's vectors. It was made {made}, so that its "
            "vectors cannot be compared: open the model that made it, or make a new index."
        )
    index = cls(encoder, found["similarity_fn_name"], found["passage_length"], found["dtype"])
    index.model, index.width, index.folder = found["model"], found["width"], folder
    index.passage_length, index.notes = found["passage_length"], found["notes"]
    index.expansion_search = found["expansion_search"]
    for part in found["parts"]:
        place = folder / part["name"]
        index.rows.parts.append(
            parts.read(place, part["rows"], part["documents"], index.width, index.dtype)
        )
    _read_graph(index, found["graph_file"])
    return index


def _read_graph(index, name):
    if not name:
        return
    try:
        index.graph = approximate.opened(index.folder / name, len(index))
    except ImportError as error:
        LOGGER.warning("%s is searched exactly, without its graph: %s", index.folder, error)
        return
    index.graph_file = name


def check_encoder(index, wholly=False):
    """Raises for an encoder that was trained since the index was made.

    Args:
        wholly: look at all of its numbers, which takes as long as reading them; else at some of
            each variable's.
    """
    encoder = index.encoder
    if encoder is None:
        return
    now = encoder.fingerprint() if wholly else encoder.glance()
    if now != (index.model if wholly else index.glance):
        raise ValueError(
            "The encoder has changed, by `fit` or otherwise, since the index was made, so that its "
            "vectors cannot be compared with new ones: make a new index."
        )


def save(index, folder=None):
    """Writes the index into a new folder; or what was added into the folder it came from.

    What is there is never changed, and what is written counts once it is complete.

    Args:
        folder: absent or empty; or that of this index, which is the default.

    Returns:
        pathlib.Path of the folder.

    Raises:
        FileExistsError: the folder holds something else, or another index.
        ValueError: an empty index, no folder, one that another process has added to since it was
            loaded, or an encoder that was trained since the index was made.
    """
    folder = index.folder if folder is None else Path(folder)
    if folder is None or not len(index):
        wrong = "`folder` must be given for a new index" if len(index) else "The index is empty"
        raise ValueError(f"{wrong}: nothing can be saved.")
    check_encoder(index, wholly=True)
    if index.folder is None or folder.resolve() != index.folder.resolve():
        files.check_is_new(folder)
        index.rows.parts = [part._replace(name=None) for part in index.rows.parts]
        index.graph_file = None
    with locks.locked(folder, ".index.lock"):
        _check_unchanged(index, folder)
        for place, part in enumerate(index.rows.parts):
            if part.name is None:
                index.rows.parts[place] = _written(index, part, folder)
        if index.graph is not None and not index.graph_file:
            index.graph_file = f"graph-{index.rows.parts[-1].name}.usearch"
            with files.new_file(folder / index.graph_file, durable=True) as draft:
                index.graph.save(str(draft))
        files.write_json(folder / NAME, _told(index), ensure_ascii=False)
    index.folder = folder
    return folder


def _check_unchanged(index, folder):
    """Raises a ValueError where another process has written the folder's index in the meantime."""
    there = [part["name"] for part in said(folder)["parts"]] if (folder / NAME).is_file() else []
    if there != [part.name for part in index.rows.parts if part.name is not None]:
        raise ValueError(
            f"{folder} was changed by another process since it was loaded: load it again, and add "
            "to that."
        )


def _written(index, part, folder):
    """A part on the disk, in a folder of its own."""
    taken = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    place = folder / f"{max(taken, default=-1) + 1:05d}"
    parts.write(part, place)
    documents = None if part.documents is None else len(part.documents)
    return parts.read(place, len(part.vectors), documents, index.width, index.dtype)


def _told(index):
    kept = [
        {
            "name": part.name,
            "rows": len(part.vectors),
            "documents": None if part.documents is None else len(part.documents),
        }
        for part in index.rows.parts
    ]
    return {"format": FORMAT, "parts": kept} | {
        name: getattr(index, name) for name in SCHEMA if name not in ("format", "parts")
    }
