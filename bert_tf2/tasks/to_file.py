"""Vectors of any number of texts into a file, in bounded memory; what was interrupted goes on.

Letters: n texts, E what a vector has in its precision.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from bert_tf2 import drafts, files
from bert_tf2.messages import shorten
from bert_tf2.tasks import encoding

AT_ONCE = 8192  # texts between two notes of how far it is
GLANCES = 20  # variables that are looked at where time matters


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
        ValueError: an interrupted run was of another model, settings or texts; no text; or as
            `encode`.
        TypeError: one str, or what has no slices, such as a generator.
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
    is_row = hasattr(sentences, "__len__") and hasattr(sentences, "__getitem__")
    if not isinstance(sentences, Path) and (not is_row or isinstance(sentences, Mapping)):
        raise TypeError(
            "`sentences` must have a length and slices, to go on after an interruption: a list of "
            f"str, or a Path of a text file. Received: a {type(sentences).__name__}"
        )
    texts = _Lines(sentences) if isinstance(sentences, Path) else sentences
    if not len(texts):
        what = f"{sentences}, an empty file" if isinstance(sentences, Path) else "none"
        raise ValueError(f"There must be at least one text. Received: {what}")
    said = {"model": fingerprint(task, how), "rows": len(texts)}
    with drafts.draft(file, said) as draft:
        for array, some in _Vectors(draft, texts).to_fill(task, how, show_progress_bar):
            array[:] = how.finished(encoding.computed(task, some, how, batch_size))
        draft.publish()
    return file


def fingerprint(task, how=None):
    """What tells a model and its settings from others: a str of 64 characters.

    Args:
        how: an `encoding.How`, further settings; or None.
    """
    found = hashlib.sha256()
    kept = {"tokenizer": task.preprocessor.tokenizer.get_config()} | _settings(task)
    kept |= how._asdict() if how else {}
    if how and how.ranges is not None:
        kept["ranges"] = how.ranges.tolist()  # NumPy shortens what is long
    found.update(repr(sorted(kept.items())).encode())
    for name, variable in sorted((task.named_variables() | task.adapter_variables()).items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).data)
    return found.hexdigest()


def _settings(task):
    """What a task does with its numbers, a dict."""
    kept = {name: getattr(task, name) for name in task.settings}
    if task.active_adapter is not None:
        kept["adapter"] = task.adapters[task.active_adapter].spoken()
    return kept | {"max_length": task.preprocessor.max_length}


def glance(task):
    """The same of the settings and the first rows of some variables, in a millisecond or two.

    Which these are does not depend on what is trained at the moment: the last ones are among them,
    as heads and top layers train alone, and those of adapters, which are few.
    """
    found = hashlib.sha256(repr(sorted(_settings(task).items())).encode())
    every = (task.weights, [*task.adapter_variables().values()])
    for variable in [x for some in every for x in some[:: -max(1, -(-len(some) // GLANCES))]]:
        first = variable[:1] if len(variable.shape) else variable
        found.update(np.ascontiguousarray(keras.ops.convert_to_numpy(first)).data)
    return found.hexdigest()


class _Vectors:
    """The rows of a draft: of what is done already the texts are compared, the rest is filled.

    Args:
        draft: a `Draft`. texts: of which it is.
    """

    def __init__(self, draft, texts):
        self.draft, self.texts, self.digest = draft, texts, ""
        for start in range(0, draft.done, AT_ONCE):
            self.digest = _digest(self.digest, texts[start : min(start + AT_ONCE, draft.done)])
        draft.check(["texts"] if self.digest != draft.more.get("texts", "") else ())

    def array(self, like):
        """The rows in the file, of the kind of `like`."""
        part, shape = self.draft.part, (len(self.texts), like.shape[1])
        if self.draft.done:
            found = np.lib.format.open_memmap(part, "r+")
            if (found.shape, found.dtype) == (shape, like.dtype):
                return found
            raise ValueError(f"{part} must be of shape {shape}. Received: {found.shape}")
        return np.lib.format.open_memmap(part, "w+", like.dtype, shape)

    def to_fill(self, task, how, verbose):
        """Yields what is left: rows of the file, to be written, and the texts that they are of."""
        array = self.array(how.finished(np.zeros((2, how.truncate_dim or task.width), "float32")))
        draft, texts, hidden = self.draft, self.texts, None if verbose is None else not verbose
        with tqdm(total=len(texts), initial=draft.done, unit="text", disable=hidden) as bar:
            while draft.done < len(texts):
                some = list(texts[draft.done : draft.done + AT_ONCE])
                yield array[draft.done : draft.done + len(some)], some
                array.flush()
                self.digest = _digest(self.digest, some)
                draft.note(draft.done + len(some), texts=self.digest)
                bar.update(len(some))


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
