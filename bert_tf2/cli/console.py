"""What the verbs print with: tables, progress, and TensorFlow without its chatter."""

import os
import sys
import tempfile


def import_tensorflow():
    """Imports tensorflow, keeping the notes that its C++ part prints while loading off the screen.

    Those notes (oneDNN, CUDA) come before TensorFlow can be told to be quiet, straight to file
    descriptor 2. If the import fails they may say why, so then they are shown.
    """
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            notes.seek(0)
            os.write(screen, notes.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


def keras_verbosity():
    """Keras's `verbose`: a progress bar on a terminal, one line an epoch in a file or pipe."""
    return 1 if sys.stdout.isatty() else 2


def table(rows, right=()):
    """Rows of cells as aligned lines.

    Args:
        rows: list of lists of str, all of equal length; the first is the header.
        right: numbers of the columns to align at the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def tf_serving(place):
    """The command that serves a folder of versions by TensorFlow Serving."""
    name = place.name
    return (
        f"  docker run -p 8501:8501 -v '{place}:/models/{name}' \\\n"
        f"    -e MODEL_NAME={name} tensorflow/serving"
    )
