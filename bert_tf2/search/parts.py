"""What an index holds, part by part, in memory and on the disk.

A part on the disk is a folder: `vectors.npy` (n, D); and of texts `documents.jsonl`, a name and a
text a line, `lines.npy`, where each line begins, and `places.npy`, int64 (n, 3): of each vector the
document, and the first character of its passage and the one behind the last.
"""

import itertools
import json
from typing import NamedTuple

import numpy as np

from bert_tf2 import files
from bert_tf2.messages import FileError
from bert_tf2.scoring import vectors
from bert_tf2.search import exact
from bert_tf2.search.sources import Sources


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
    """Names and texts in a file, read when they are asked for.

    The file is mapped: it can be read as long as this is there, even where it is removed since.
    """

    def __init__(self, file, lines):
        self.file, self.lines = file, lines
        self.content = np.memmap(file, mode="r")

    def __len__(self):
        return len(self.lines) - 1

    def __iter__(self):
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number):
        if not 0 <= number < len(self):
            raise IndexError(number)
        begin, end = (max(int(x), 0) for x in self.lines[number : number + 2])
        line = self.content[begin:end].tobytes()
        row = files.parse_json(line, self.file, {"name": str, "text": str})
        return row["name"], row["text"]


class Rows:
    """All parts of an index, one after another; a row is a vector of any of them.

    Attributes:
        parts: list of `Part`.
        sources: `Sources` of the texts.
    """

    def __init__(self):
        self.parts, self.sources = [], Sources()

    def __len__(self):
        return sum(len(part.vectors) for part in self.parts)

    @property
    def documents(self):
        """How many texts there are; None of vectors alone."""
        if self.parts and self.parts[0].documents is None:
            return None
        return sum(len(part.documents) for part in self.parts)

    def append(self, part, sources=None):
        """Puts a part behind the others; `sources` as of `Index.add`."""
        count = len(part.documents or ())
        each = itertools.groupby(sources or [None] * count)
        self.parts.append(part)
        self.sources.runs += [(source, len([*run])) for source, run in each]

    def texts(self):
        """Yields name and text of each text, in order."""
        for part in self.parts:
            yield from part.documents or ()

    def without(self, gone):
        """The same without some texts, booleans (documents,); parts that had them are others."""
        found, first = Rows(), 0
        for part in self.parts:
            some = gone[first : first + len(part.documents)]
            first += len(some)
            if kept := _without(part, some) if some.any() else part:
                found.parts.append(kept)
            else:
                gone[first - len(some) : first] = True  # a text without a passage goes, too
        found.sources = self.sources.without(gone)
        return found

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

    def passages(self, rows):
        """Where the texts of rows stand: dicts of `name`, `document`, `start`, `end`, `text`.

        Each text is read once. Of vectors alone the dicts are empty. Raises a ValueError where a
        file says what cannot be.
        """
        found, read = {}, (None, None)
        for row in sorted({int(row) for row in rows}):
            number, place = self.place(row)
            part = self.parts[number]
            if part.places is None:
                found[row] = {}
                continue
            document = int(part.places[place, 0])
            if read[0] != (number, document):
                there = 0 <= document < len(part.documents)
                read = (number, document), part.documents[document] if there else None
            found[row] = self._passage(number, place, read[1])
        return [found[int(row)] for row in rows]

    def _passage(self, number, place, read):
        part = self.parts[number]
        document, start, end = (int(x) for x in part.places[place])
        there, (name, text) = read is not None, read or ("", "")
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


def _without(part, gone):
    """A part without some of its texts, booleans (documents,); None where no passage is left."""
    rows, number = np.flatnonzero(~gone[part.places[:, 0]]), np.cumsum(~gone) - 1
    if not rows.size:
        return None
    places = np.array(part.places[rows])
    places[:, 0] = number[places[:, 0]]
    kept = [part.documents[i] for i in np.flatnonzero(~gone)]
    return Part(np.array(part.vectors[rows]), kept, places)


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
