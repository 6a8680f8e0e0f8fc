"""Files of any number of rows, written a lot at a time: what was interrupted goes on."""

import contextlib
import os
from pathlib import Path

from bert_tf2 import files
from bert_tf2.locks import locked


class Draft:
    """What there is of a file that is not complete yet, and how far it is.

    It is called .NAME.part until then. Beside it .NAME.part.json says what makes it and how many
    of its rows are on the disk for good.

    Args:
        file: Path of the file that it will be.
        said: dict of JSON's values, what makes it: who goes on must say the same.

    Attributes:
        part: Path of what there is. done: how many rows are whole.
        more: dict, what was noted along with them; {} at the beginning.
        replaces: whether a file of that name may be there in the end.

    Raises:
        ValueError: it was begun with something else; the message names what.
    """

    def __init__(self, file, said):
        self.file, self.said, self.done, self.more = file, said, 0, {}
        self.replaces = file.exists()
        self.part = file.with_name(f".{file.name}.part")
        self.notes = self.part.with_name(f"{self.part.name}.json")
        if not (self.notes.is_file() and self.part.is_file()):
            return
        found = files.read_json(self.notes, {"said": {}, "done": int, "more": {}})
        names = {*said, *found["said"]}
        self.check({n for n in names if said.get(n) != found["said"].get(n)})
        self.done, self.more = found["done"], found["more"]

    def check(self, differ):
        """Raises the ValueError if there are names in `differ`."""
        if differ:
            raise ValueError(
                f"{self.part} was begun by another model, with other settings or of other texts "
                f"({', '.join(sorted(differ))}). Remove it to begin anew."
            )

    def note(self, done, **more):
        """Notes that so many rows are whole, with whatever is needed to go on behind them."""
        files.flush(self.part)
        files.write_json(self.notes, {"said": self.said, "done": done, "more": more}, durable=True)
        self.done, self.more = done, more

    def publish(self):
        """Gives the file its name; FileExistsError if another has come there meanwhile."""
        if self.file.exists() and not self.replaces:
            raise FileExistsError(f"{self.file} has come to be meanwhile; {self.part} is whole")
        os.replace(self.part, self.file)
        files.flush(self.file.parent)
        self.notes.unlink(missing_ok=True)
        files.remove_drafts(self.notes.parent, self.notes.stem)  # of killed ones


@contextlib.contextmanager
def draft(file, said):
    """Yields the `Draft` of a file, which no other process writes meanwhile.

    Raises:
        locks.InUse: one does. ValueError: as `Draft`.
    """
    file = Path(os.path.realpath(file))
    with locked(file.parent, f".{file.name}.lock"):
        yield Draft(file, said)
