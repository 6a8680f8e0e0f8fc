"""What an index holds, part by part, in memory and on the disk.

A part on the disk is a folder: `vectors.npy` (n, D); and of texts `documents.jsonl`, a name and a
text a line, `lines.npy`, where each line begins, and `places.npy`, int64 (n, 3): of each vector the
document, and the first character of its passage and the one behind the last.
"""

import json
from typing import NamedTuple

import numpy as np

from bert_tf2 import files
from bert_tf2.messages import FileError
from bert_tf2.scoring import vectors
from bert_tf2.search import exact


class Part(NamedTuple):
    """Vectors that were added together.

    Attributes:
        vectors: float (n, D), perhaps on the disk.
        documents: a sequence of (name, text), str; or None of vectors alone.
        places: int64 (n, 3), see above; or None.
        name: of its folder, or None until there is one.
    """

    vectors: np.ndarray
    documents: object = None
    places: np.ndarray | None = None
    name: str | None = None


class Documents:
    """Names and texts in a file, read when they are asked for."""

    def __init__(self, file, lines):
        self.file, self.lines = file, lines

    def __len__(self):
        return len(self.lines) - 1

    def __iter__(self):
        with open(self.file, "rb") as file:
            yield from map(self._row, file)

    def _row(self, line):
        row = files.parse_json(line, self.file, {"name": str, "text": str})
        return row["name"], row["text"]

    def __getitem__(self, number):
        if not 0 <= number < len(self):
            raise IndexError(number)
        begin, end = (int(x) for x in self.lines[number : number + 2])
        with open(self.file, "rb") as file:
            file.seek(begin)
            return self._row(file.read(end - begin))


class Rows:
    """All parts of an index, one after another; a row is a vector of any of them.

    Attributes:
        parts: list of `Part`.
    """

    def __init__(self):
        self.parts = []

    def __len__(self):
        return sum(len(part.vectors) for part in self.parts)

    @property
    def documents(self):
        """How many texts there are; None of vectors alone."""
        if self.parts and self.parts[0].documents is None:
            return None
        return sum(len(part.documents) for part in self.parts)

    def names(self):
        """Yields the names of the texts, in order."""
        for part in self.parts:
            yield from (name for name, _ in part.documents or ())

    def nearest(self, queries, top_k, name):
        """As `search.nearest`, in all parts."""
        found = [exact.nearest(queries, part.vectors, top_k, name) for part in self.parts]
        firsts = np.cumsum([0, *(len(part.vectors) for part in self.parts)])
        rows = [ids + first for (_, ids), first in zip(found, firsts, strict=False)]
        scores = np.concatenate([scores for scores, _ in found], 1)
        return best(scores, np.concatenate(rows, 1), top_k)

    def nearest_of(self, queries, rows, top_k, name):
        """The same among the rows (n, r) of each query; negative ones are none."""
        scores = np.full(rows.shape, -np.inf, "float32")
        for query, some, found in zip(queries, rows, scores, strict=True):
            there = some >= 0
            found[there] = vectors.SIMILARITIES[name][0](query[None], self.vectors(some[there]))[0]
        return best(scores, rows, top_k)

    def vectors(self, rows):
        """float32 (r, D), those of some rows."""
        places = [self.place(int(row)) for row in rows]
        return np.array([self.parts[part].vectors[i] for part, i in places], "float32")

    def passage(self, row):
        """Where a row's text stands: a dict of `name`, `document`, `start`, `end`, `text`.

        Of vectors alone it is empty. Raises a ValueError where a file says what cannot be.
        """
        number, place = self.place(row)
        part = self.parts[number]
        if part.places is None:
            return {}
        document, start, end = (int(x) for x in part.places[place])
        there = 0 <= document < len(part.documents)
        name, text = part.documents[document] if there else ("", "")
        if not there or not 0 <= start <= end <= len(text):
            raise FileError(
                f"The places of part {part.name} must be passages of its {len(part.documents)} "
                f"texts. Received: {document}, {start}, {end} in row {place}"
            )
        document += sum(len(earlier.documents) for earlier in self.parts[:number])
        said = {"name": name, "document": document, "start": start, "end": end}
        return said | {"text": text[start:end]}

    def place(self, row):
        """The number of the part that a row is in, and its row there."""
        for number, part in enumerate(self.parts):
            if row < len(part.vectors):
                return number, row
            row -= len(part.vectors)
        raise ValueError(f"A row must be below {len(self)}. Received: {row + len(self)}")


def best(scores, rows, top_k):
    """(n, r) -> (n, k): the best of each row in falling order; of equal ones the lower number."""
    order = np.lexsort((rows, -scores), axis=1)[:, :top_k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)


# === On the disk ==================================================================================


def write(part, folder):
    """Writes a part into a new folder, which appears whole."""
    with files.new_folder(folder, durable=True) as draft:
        np.save(draft / "vectors.npy", part.vectors)
        if part.documents is None:
            return
        begins = [0]
        with open(draft / "documents.jsonl", "wb") as file:
            for name, text in part.documents:
                line = json.dumps({"name": name, "text": text}, ensure_ascii=False) + "\n"
                begins.append(begins[-1] + file.write(line.encode("utf-8")))
        np.save(draft / "lines.npy", np.array(begins, "int64"))
        np.save(draft / "places.npy", np.asarray(part.places, "int64"))


def read(folder, rows, documents, width, dtype):
    """The part in a folder, whose arrays stay on the disk.

    Args:
        rows, documents, width, dtype: what it must have, as index.json says; documents None of
            vectors alone.

    Raises:
        ValueError: it has something else.
    """
    wanted = {"vectors": ((rows, width), dtype)}
    if documents is not None:
        wanted |= {"lines": ((documents + 1,), "int64"), "places": ((rows, 3), "int64")}
    found = {}
    for name, (shape, kind) in wanted.items():
        found[name] = exact.mapped(folder / f"{name}.npy")
        if (found[name].shape, found[name].dtype) != (shape, kind):
            raise ValueError(
                f"{folder / name}.npy must be {kind} {shape}, as index.json says. Received: "
                f"{found[name].dtype} {found[name].shape}"
            )
    if documents is None:
        return Part(found["vectors"], name=folder.name)
    file = folder / "documents.jsonl"
    files.check_regular(file)
    texts = Documents(file, found["lines"])
    return Part(found["vectors"], texts, found["places"], folder.name)
