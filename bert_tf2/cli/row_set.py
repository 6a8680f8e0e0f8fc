"""The rows of a file, as the verbs hand them on."""

import dataclasses

from bert_tf2.messages import RowError


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of a file.

    Attributes:
        columns: by the names that a task has for them (`Task.raw_names`), lists of n.
        labels: list of n, as the task takes `y`; or None.
        about: what came, for people: "24 texts".
        source: what the file's own reader gave, for scorers and writers that need more of it.
        groups: list of n, of which equal ones belong into one fold; or None.
        places: list of n str, the file and line of each row; or None.
    """

    columns: dict[str, list]
    labels: list | None
    about: str
    source: object = None
    groups: list | None = None
    places: list[str] | None = None

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __iter__(self):
        """The cells of each row."""
        return zip(*self.columns.values(), strict=True)

    @property
    def x(self):
        """What a task takes as `x`."""
        return self.columns if self.columns.keys() - {"text"} else self.columns["text"]

    def only(self, name, *kept):
        """One column as rows of texts, with others that are kept."""
        columns = {"text": self.columns[name]} | {n: self.columns[n] for n in kept}
        return Rows(columns, None, self.about)

    def take(self, indices):
        """Some of the rows; `source` is that of all."""
        columns = {name: [side[i] for i in indices] for name, side in self.columns.items()}
        others = {
            name: side and [side[i] for i in indices]
            for name in ("labels", "groups", "places")
            for side in [getattr(self, name)]
        }
        return dataclasses.replace(self, columns=columns, **others)


def placed(call, model, every):
    """A function, such as `fit`, whose error of a row says where this stands, if that can be found.

    Args:
        call: the function. model: a task that reads the rows, whose errors of one are a
            `RowError`. every: the `Rows` that are given to the function.
    """

    def said(*args, **how):
        try:
            return call(*args, **how)
        except RowError:  # of which file it does not say; others' rows are not read again
            for rows in every:
                try:
                    model.read(rows.x, rows.labels)
                except RowError as error:
                    if rows.places:
                        raise ValueError(f"{rows.places[error.row]}: {error}") from error
            raise

    return said
