"""The files that an index's texts came from, and whether they are still as they were.

On the disk, `sources-….jsonl`: a line for each file in the order of the texts, with how many of
them are its, where it was, its bytes, when it was changed (ns since 1970) and the sha256 of it; of
texts that came from none the number alone.
"""

import json
import os
from typing import NamedTuple

import numpy as np

from bert_tf2 import files
from bert_tf2.messages import FileError

SCHEMA = {"documents": int, "path?": str, "size?": int, "mtime?": int, "sha256?": str}


class Source(NamedTuple):
    """A file, as it was when it was read.

    Attributes:
        path: str, absolute. size: bytes. mtime: ns since 1970. sha256: as of `files.digest`.
    """

    path: str
    size: int
    mtime: int
    sha256: str

    @classmethod
    def of(cls, path):
        """A file as it is now."""
        found = os.stat(path)
        digest = files.digest([path])
        return cls(os.path.abspath(path), found.st_size, found.st_mtime_ns, digest)

    def state(self):
        """ "changed" or "gone" since; or None. Its content is read where its time says nothing."""
        try:
            found = os.stat(self.path)
            if (found.st_size, found.st_mtime_ns) == (self.size, self.mtime):
                return None
            same = found.st_size == self.size and files.digest([self.path]) == self.sha256
        except (FileNotFoundError, NotADirectoryError):
            return "gone"
        except (OSError, ValueError):  # no file any more, or none that may be read
            return "changed"
        return None if same else "changed"


class Sources:
    """Of each text the file that it came from, or None.

    Attributes:
        runs: list of (`Source` or None, how many texts after one another).
    """

    def __init__(self, runs=()):
        self.runs = list(runs)

    def any(self):
        """Whether a text has one."""
        return any(source is not None for source, _ in self.runs)

    def paths(self):
        """Those of all files, in order, each once."""
        return [*dict.fromkeys(source.path for source, _ in self.runs if source)]

    def here(self):
        """Whether any file is there; else, as on another machine, nothing is known of them."""
        return any(map(os.path.exists, self.paths()))

    def of(self, documents):
        """Those of some texts, by their numbers. -> list of `Source` or None"""
        ends = np.cumsum([count for _, count in self.runs])
        places = np.searchsorted(ends, np.asarray(documents, "int64"), "right")
        return [self.runs[place][0] for place in places]

    def each(self):
        """Yields that of each text."""
        for source, count in self.runs:
            yield from [source] * count

    def renewed(self, sources):
        """The same with what is known now of these files."""
        now = {source.path: source for source in sources}
        return Sources((now.get(s.path, s) if s else None, count) for s, count in self.runs)

    def without(self, gone):
        """The same without some texts, booleans (documents,)."""
        firsts = np.cumsum([0, *(count for _, count in self.runs)])[:-1]
        kept = np.add.reduceat(~gone, firsts).tolist() if len(firsts) else []
        runs = zip(self.runs, kept, strict=True)
        return Sources((source, int(count)) for (source, _), count in runs if count)

    def write(self, file):
        """Writes what `read` reads."""
        with open(file, "wb") as draft:
            for source, count in self.runs:
                row = {"documents": count} | (source._asdict() if source else {})
                # A path that is no UTF-8 is kept in JSON's own escapes.
                draft.write((json.dumps(row) + "\n").encode())

    @classmethod
    def read(cls, file, documents):
        """Those in a file, of so many texts; ValueError for another number."""
        found = cls()
        with files.open_bytes(file, at_most=None) as lines:
            for line in lines:
                row = files.parse_json(line, file, SCHEMA)
                source = Source(*map(row.get, Source._fields)) if "path" in row else None
                found.runs.append((source, row["documents"]))
        if (held := sum(count for _, count in found.runs)) != documents:
            raise FileError(f"{file} must be of {documents} texts. Received: {held}")
        return found
