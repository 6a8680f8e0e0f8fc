"""Figures as people read them in a terminal."""

from bert_tf2.cli import console

WIDE = 80  # characters of class names, above which columns are headed by their numbers
MATRIX = "confusion_matrix"  # among figures the one that is no dict: rows gold, columns given


def show(figures):
    """Prints figures: a line a number, a table of those that are by class or label, a matrix."""
    tables = {name: value for name, value in figures.items() if isinstance(value, dict)}
    for name, value in figures.items():
        if name != MATRIX and name not in tables:
            print(f"{name}: {number(value)}")
    for name, rows in tables.items():
        heads = list(next(iter(rows.values()), {}))
        cells = [[key, *(number(row[head]) for head in heads)] for key, row in rows.items()]
        print(
            "\n" + console.table([[name, *heads], *cells], right=range(1, len(heads) + 1)),
        )
    if MATRIX in figures:
        print("\n" + _matrix(list(figures["classes"]), figures[MATRIX]))


def number(value):
    """A figure: whole numbers as they are, others with four places, "-" for what is not defined."""
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _matrix(classes, matrix):
    """How often each class was taken for each, with numbers for heads where names are long."""
    heads = classes
    if sum(len(name) + 2 for name in classes) > WIDE and not all(map(str.isdigit, classes)):
        heads = [f"({i})" for i in range(1, len(classes) + 1)]
    cells = [
        [name if head is name else f"{head} {name}", *map(str, row)]
        for head, name, row in zip(heads, classes, matrix, strict=True)
    ]
    header = ["true \\ predicted", *heads]
    return console.table([header, *cells], right=range(1, len(header)))
