"""Vectors of any number of texts into a file, in bounded memory; what was interrupted goes on.

Letters: n texts, E what a vector has in its precision.
"""

import hashlib
import os
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from bert_tf2 import files
from bert_tf2.locks import locked
from bert_tf2.messages import shorten
from bert_tf2.tasks import encoding

AT_ONCE = 8192  # texts between two notes of how far it is


def encode_to_file(
    task, sentences, file, batch_size=32, show_progress_bar=True, overwrite=False, **how
):
    """Writes the vectors of texts to a NumPy file, which `np.load(file, mmap_mode="r")` maps.

    8 192 texts are held at a time, and noted on the disk when they are done: called again after an
    interruption, with the same texts and settings, it goes on from there. The file has its name
    once it is complete; until then all is in a hidden one beside it.

    Args:
        sentences: whatever has a length and slices of str, such as a list; or a Path of a text file
            in UTF-8 with one text a line, of which no more than 8 192 lines are in memory.
        file: the `.npy` to write.
        batch_size: texts at a time. show_progress_bar: None shows it on a terminal.
        overwrite: whether a file of that name is replaced, once the new one is complete.
        **how: `prompt_name`, `prompt`, `precision`, `normalize_embeddings`, `truncate_dim` and
            `ranges`, which 8 bits need, as of `encode`.

    Returns:
        pathlib.Path of the file.

    Raises:
        FileExistsError: the file is there already.
        locks.InUse: another process is writing it.
        ValueError: an interrupted run was of another model, settings or texts; or as `encode`.
        TypeError: one str.
    """
    file, how = Path(file), encoding.How.of(task, **how)
    if file.suffix != ".npy":
        raise ValueError(f"`file` must be named .npy. Received: {file}")
    if file.exists() and not overwrite:
        raise FileExistsError(f"{file} exists. Name another file, or remove it.")
    if how.precision in ("int8", "uint8") and how.ranges is None:
        raise ValueError(f"`ranges` must be given with precision={how.precision!r}. Received: None")
    if isinstance(sentences, str | bytes):
        raise TypeError(
            f"`sentences` must be a list of str, or a Path. Received: {shorten(sentences)}, a str"
        )
    texts = _Lines(sentences) if isinstance(sentences, Path) else sentences
    with locked(file.parent, f".{file.stem}.lock"):
        draft = _Draft(file, fingerprint(task, how), texts)
        for array, some in draft.to_fill(task, how, texts, show_progress_bar):
            array[:] = how.finished(encoding.computed(task, some, how, batch_size))
        draft.publish()
    return file


def fingerprint(task, how=None):
    """What tells a model and its settings from others: a str of 64 characters.

    Args:
        how: an `encoding.How`, further settings; or None.
    """
    found = hashlib.sha256()
    kept = {"tokenizer": task.preprocessor.tokenizer.get_config()}
    kept |= {name: getattr(task, name) for name in task.settings}
    kept |= {"max_length": task.preprocessor.max_length} | (how._asdict() if how else {})
    if how and how.ranges is not None:
        kept["ranges"] = how.ranges.tolist()  # NumPy shortens what is long
    found.update(repr(sorted(kept.items())).encode())
    for name, variable in sorted(task.named_variables().items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).data)
    return found.hexdigest()


class _Draft:
    """What there is of a file, and how far it is.

    Args:
        file: the file that it will be.
        fingerprint: of what makes it.
        texts: of which it is.
    """

    def __init__(self, file, fingerprint, texts):
        self.file, self.rows = file, len(texts)
        self.draft = file.with_name(f".{file.stem}.part.npy")
        self.notes = self.draft.with_suffix(".json")
        self.said = {"model": fingerprint, "rows": self.rows}
        self.done, self.digest = 0, ""
        if not (self.notes.is_file() and self.draft.is_file()):
            return
        schema = {"model": str, "rows": int, "done": int, "texts": str}
        found = files.read_json(self.notes, schema)
        for start in range(0, found["done"], AT_ONCE):
            some = texts[start : min(start + AT_ONCE, found["done"])]
            self.digest = _digest(self.digest, some)
        same = {name: found[name] for name in self.said} == self.said
        if not same or self.digest != found["texts"]:
            raise ValueError(
                f"{self.draft} was begun by another model, with other settings or of other texts. "
                "Remove it to begin anew."
            )
        self.done = found["done"]

    def array(self, like):
        """The rows in the file, of the kind of `like`."""
        self.draft.parent.mkdir(parents=True, exist_ok=True)
        shape = (self.rows, like.shape[1])
        if self.done:
            found = np.lib.format.open_memmap(self.draft, "r+")
            if (found.shape, found.dtype) == (shape, like.dtype):
                return found
            raise ValueError(f"{self.draft} must be of shape {shape}. Received: {found.shape}")
        return np.lib.format.open_memmap(self.draft, "w+", like.dtype, shape)

    def to_fill(self, task, how, texts, verbose):
        """Yields what is left: rows of the file, to be written, and the texts that they are of."""
        array = self.array(how.finished(np.zeros((2, how.truncate_dim or task.width), "float32")))
        hidden = None if verbose is None else not verbose
        with tqdm(total=len(texts), initial=self.done, unit="text", disable=hidden) as bar:
            while self.done < len(texts):
                some = list(texts[self.done : self.done + AT_ONCE])
                yield array[self.done : self.done + len(some)], some
                array.flush()
                self.note(some)
                bar.update(len(some))

    def note(self, texts):
        """Notes that the next rows, those of these texts, are written."""
        self.done, self.digest = self.done + len(texts), _digest(self.digest, texts)
        files.write_json(self.notes, self.said | {"done": self.done, "texts": self.digest})

    def publish(self):
        """Gives the file its name."""
        os.replace(self.draft, self.file)
        self.notes.unlink(missing_ok=True)


def _digest(before, texts):
    """Of all texts so far: of those before, and these."""
    content = repr((before, [str(text) for text in texts]))
    return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()


class _Lines:
    """The lines of a text file, found by where they begin."""

    def __init__(self, path):
        files.check_regular(path)
        self.path, place, self.places = path, 0, [0]
        with open(path, "rb") as lines:
            for line in lines:
                place += len(line)
                self.places.append(place)
        self.places = np.array(self.places)

    def __len__(self):
        return len(self.places) - 1

    def __getitem__(self, rows):
        begin, end = self.places[rows.start], self.places[min(rows.stop, len(self))]
        with open(self.path, "rb") as file:
            file.seek(begin)
            content = file.read(end - begin)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self.path} must be text in UTF-8. Received: {shorten(content[error.start :])}"
            ) from error
        if not begin:
            text = text.removeprefix("\ufeff")  # a mark of the encoding, no text
        return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
