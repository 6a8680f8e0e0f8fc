"""The folder of an index: written part by part, read where it lies.

`index.json` says what belongs to it, and is written last: who is interrupted has what was there
before. Nothing in a folder is executed.
"""

import contextlib
import hashlib
import logging
import re
import shutil
from pathlib import Path

from bert_tf2 import files, locks
from bert_tf2.messages import FileError
from bert_tf2.search import approximate, fusion, parts
from bert_tf2.search.sources import Sources

LOGGER = logging.getLogger("bert_tf2")
NAME, FORMAT = "index.json", 1
OURS = re.compile(r"\d{5,}|graph-\w+\.usearch|sources-\w{16}\.jsonl|words-\w{16}")
SCHEMA = {
    "format": int,
    "model": (str, None),
    "width": int,
    "similarity_fn_name": str,
    "dtype": str,
    "passage_length": (int, None),
    "parts": [{"name": str, "rows": int, "documents": (int, None)}],
    "graph_file": (str, None),
    "sources_file?": (str, None),
    "next_part?": int,
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
    others = [found.get(name) or name for name in ("graph_file", "sources_file")]
    names = [part["name"] for part in found["parts"]] + others
    if not found["parts"] or any(Path(name).name != name or name[0] == "." for name in names):
        raise FileError(f"{file}: parts must be folders in it. Received: {names}")
    return found


def sources_of(folder):
    """The `Sources` of the index in a folder; raises as `said`."""
    found = said(folder)
    if not found.get("sources_file"):
        return Sources()
    documents = sum(part["documents"] or 0 for part in found["parts"])
    return Sources.read(Path(folder) / found["sources_file"], documents)


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
        index.rows.append(
            parts.read(place, part["rows"], part["documents"], index.width, index.dtype)
        )
    index.kept = [part.name for part in index.rows.parts]
    if found.get("sources_file"):
        file = folder / found["sources_file"]
        index.rows.sources = Sources.read(file, index.rows.documents or 0)
    _read_graph(index, found["graph_file"])
    return index


def _read_graph(index, name):
    index.graph_file = name  # which `save` keeps, whether or not it can be opened here
    if not name:
        return
    try:
        index.graph = approximate.opened(index.folder / name, len(index))
    except ImportError as error:
        LOGGER.warning("%s is searched exactly, without its graph: %s", index.folder, error)
    except (ValueError, OSError) as error:  # nothing is lost but time: all vectors are there
        LOGGER.warning(
            "%s is searched exactly, as its graph cannot be read (%s): `approximate`, or "
            "bert_tf2 index --append --graph, makes it anew.",
            *(index.folder, error),
        )
        index.graph_file = None


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

    What is written counts once it is complete; what it has no longer is removed after that.

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
    new = index.folder is None or folder.resolve() != index.folder.resolve()
    if new:
        files.check_is_new(folder)
    every = [part._replace(name=None) if new else part for part in index.rows.parts]
    with locks.locked(folder, ".index.lock"):
        number = _next_part([] if new else index.kept, folder)
        for place, part in enumerate(every):
            if part.name is None:
                every[place], number = _written(index, part, folder / f"{number:05d}"), number + 1
        told = _told(index, every, new) | {"next_part": number}
        if told["sources_file"]:
            with files.new_file(folder / told["sources_file"], durable=True) as draft:
                index.rows.sources.write(draft)
        if index.graph is not None and (new or not index.graph_file):
            with files.new_file(folder / told["graph_file"], durable=True) as draft:
                index.graph.save(str(draft))
        files.write_json(folder / NAME, told, ensure_ascii=False)
        _remove_others(folder, told, _words_name(every))
    index.rows.parts, index.kept = every, [part.name for part in every]
    index.folder, index.graph_file = folder, told["graph_file"]
    return folder


def _next_part(kept, folder):
    """The number of the folder's next part, which none has had yet.

    Raises a ValueError where another process has written its index in the meantime.
    """
    found = said(folder) if (folder / NAME).is_file() else {"parts": []}
    if [part["name"] for part in found["parts"]] != kept:
        raise ValueError(
            f"{folder} was changed by another process since it was loaded: load it again, and add "
            "to that."
        )
    taken = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    return max(found.get("next_part", 0), max(taken, default=-1) + 1)


def _written(index, part, place):
    """A part on the disk, in a folder of its own."""
    parts.write(part, place)
    documents = None if part.documents is None else len(part.documents)
    return parts.read(place, len(part.vectors), documents, index.width, index.dtype)


def _told(index, every, new):
    """What index.json says of an index with these parts."""
    kept = [
        {
            "name": part.name,
            "rows": len(part.vectors),
            "documents": None if part.documents is None else len(part.documents),
        }
        for part in every
    ]
    key, graph_file = _key(every), index.graph_file
    if index.graph is None and new:
        graph_file = None  # nothing to write into another folder
    elif index.graph is not None and not graph_file:
        graph_file = f"graph-{key}.usearch"
    own = {
        "format": FORMAT,
        "parts": kept,
        "graph_file": graph_file,
        "sources_file": f"sources-{key}.jsonl" if index.rows.sources.any() else None,
    }
    names = (name for name in SCHEMA if name not in own and not name.endswith("?"))
    return own | {name: getattr(index, name) for name in names}


def _key(every, rule=""):
    """What is in the names of files that are of just these parts, in their order."""
    names = [part.name for part in every]
    return hashlib.sha256(f"{names!r}{rule}".encode()).hexdigest()[:16]


def _words_name(every):
    return f"words-{_key(every, fusion.RULE)}"


def _remove_others(folder, told, words):
    """What an index had before, or an interrupted process has left."""
    names = {part["name"] for part in told["parts"]} | {told["graph_file"], told["sources_file"]}
    names.add(words)  # which are of just these parts
    for path in folder.iterdir():
        if OURS.fullmatch(path.name) and path.name not in names:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


# === Words ========================================================================================


def words_of(index):
    """The `WordIndex` of an index's passages.

    It is written into the folder of an index that is saved, where that can be written, and read
    from there the next time; one that cannot be read is made anew.

    Raises:
        ImportError, ValueError: as `WordIndex`.
    """
    names = [part.name for part in index.rows.parts]
    place = index.folder and names == index.kept and index.folder / _words_name(index.rows.parts)
    if place and place.is_dir():
        try:
            return fusion.WordIndex.opened(place, len(index))
        except ImportError:
            raise
        except Exception as error:  # whatever a damaged one, or one of another version, leads to
            LOGGER.warning("%s cannot be read, and is made anew: %s", place, error)
            shutil.rmtree(place, ignore_errors=True)
    texts = [found["text"] for found in index.rows.passages(range(len(index)))]
    made = fusion.WordIndex(texts)
    if place:
        with contextlib.suppress(OSError), files.new_folder(place) as draft:
            made.save(draft)
    return made
