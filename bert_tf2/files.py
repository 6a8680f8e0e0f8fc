"""Files that are whole or absent, and reads that end: the ground floor everyone stands on.

What is written appears under its name once it is complete, with the modes that the process's umask
gives. What is read is a regular file of a bounded size: a FIFO would wait for ever, a device never
end. Errors say which file, what was expected and what came.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from pathlib import Path

from bert_tf2.messages import FileError, shorten
from bert_tf2.schema import decode, parse_json

SMALL = 64 << 20  # bytes: the most that a config or another file of settings has
LARGE = 512 << 20  # bytes: the most that a vocabulary has

# === Reading ===

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO (named pipe)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def check_regular(path, at_most=None, error=FileError):
    """Raises unless a path leads to a regular file; to be asked before a library opens it.

    Args:
        path: a str or Path.
        at_most: bytes that it may have; None for any size.
        error: the class of what is raised, a ValueError.

    Returns:
        int: its bytes.

    Raises:
        FileNotFoundError: there is nothing.
        `error`: a folder, FIFO, device or socket, or more bytes.
    """
    try:
        found = os.stat(path)
    except ValueError as wrong:  # a NUL in the name
        raise error(f"expected the name of a file. Received: {shorten(str(path))}") from wrong
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "something else")
        raise error(f"{path} must be a regular file. Received: {what}")
    if at_most is not None and found.st_size > at_most:
        raise error(f"{path} must have at most {at_most:,} bytes. Received: {found.st_size:,}")
    return found.st_size


def check_tree(folder, error=FileError):
    """Raises unless all that a folder holds are folders and regular files, as `check_regular`."""
    for path in Path(folder).rglob("*"):
        if not path.is_dir():
            check_regular(path, error=error)


@contextlib.contextmanager
def open_bytes(path, at_most=LARGE, error=FileError):
    """Yields a regular file, open to be read in bytes. Arguments and errors: `check_regular`."""
    check_regular(path, at_most, error)
    # What was there a moment ago may be another thing now: never wait for it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        check_regular(handle, at_most, error)
        yield file


def read_bytes(path, at_most=LARGE, error=FileError):
    """The bytes of a regular file. Arguments and errors as in `check_regular`."""
    with open_bytes(path, at_most, error) as file:
        content = file.read(-1 if at_most is None else at_most + 1)
    if at_most is not None and len(content) > at_most:
        raise error(f"{path} must have at most {at_most:,} bytes. It grew while it was read")
    return content


def read_text(path, at_most=LARGE, error=FileError):
    """The text of a regular file in UTF-8, without the byte order mark that it may begin with.

    Raises:
        as `check_regular`, and `error` for bytes that are not UTF-8.
    """
    return decode(read_bytes(path, at_most, error), path, error)


def read_json(path, schema=None, at_most=SMALL, error=FileError):
    """The object in a JSON file. -> dict. See `parse_json`, and `check_regular` for the errors."""
    return parse_json(read_bytes(path, at_most, error), path, schema, error)


def digest(paths):
    """The sha256 of regular files, one after another, in hexadecimal digits."""
    found = hashlib.sha256()
    for path in paths:
        with open_bytes(path, at_most=None) as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


# === Writing ===


@contextlib.contextmanager
def new_file(path, durable=False):
    """Yields a draft with the same suffix, which becomes `path` when the block ends well.

    Args:
        path: what to write; its folder is created if need be, a file there is replaced, and a
            link there is followed.
        durable: wait until it is on the disk.

    Raises:
        FileExistsError: there is something that is no file.
        OSError: it cannot be written; nothing is left behind.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} must be a file, or absent. Received: a folder or a device")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem[:40]}.{os.getpid()}{path.suffix}")
    draft.unlink(missing_ok=True)
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        mode = stat.S_IMODE(draft.stat().st_mode)  # as the umask has it, whoever writes now
        yield draft
        draft.chmod(mode)
        if durable:
            flush(draft)
        os.replace(draft, path)
        if durable:
            flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_file(path, content, durable=False):
    """Writes bytes, or a str in UTF-8, as `new_file` does."""
    with new_file(path, durable) as draft:
        draft.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def write_json(path, values, durable=False, **options):
    """Writes what JSON can say, indented, as `new_file` does; options as `json.dumps` has them."""
    content = json.dumps(values, indent=2, default=plain, **options) + "\n"
    # Half of a surrogate pair, as names of files that are no UTF-8 have, becomes JSON's own escape.
    write_file(path, content.encode("utf-8", "backslashreplace"), durable)


def plain(value):
    """NumPy's numbers and arrays as Python's, for `json.dumps(…, default=plain)`."""
    if not hasattr(value, "tolist"):
        raise TypeError(f"JSON has no word for a {type(value).__name__}: {shorten(value)}")
    return value.tolist()


def check_not_read(outputs, inputs):
    """Raises, before any work, where what is to be written is, or holds, what is read.

    Args:
        outputs, inputs: paths of files and folders, there or not; links are followed.

    Raises:
        ValueError: an input would be replaced.
    """
    written = {os.path.realpath(path): path for path in outputs}
    for path in inputs:
        real = Path(os.path.realpath(path))
        if found := next((str(p) for p in (real, *real.parents) if str(p) in written), None):
            raise ValueError(
                f"{written[found]} would be written over {path}, which is read: give another "
                "name for what is written"
            )


def check_is_new(folder):
    """Raises FileExistsError unless a folder is empty or absent, or a link to such."""
    folder = Path(folder)
    if (folder.exists() and not folder.is_dir()) or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not empty. Name a new folder, or remove it.")


@contextlib.contextmanager
def new_folder(folder, durable=False):
    """Yields a folder to fill, which takes its name once it is full, and vanishes on an error.

    Args:
        folder: absent or empty, or a link to such a place. Or a function that gives one, asked
            again where another process has filled it in the meantime.
        durable: wait until all of it is on the disk.

    Raises:
        FileExistsError: it exists and is not empty, perhaps only since another process filled it.
        OSError: it cannot be written; nothing is left behind.
    """
    again = folder if callable(folder) else None
    folder = again() if again else folder
    check_is_new(folder)
    place = Path(os.path.realpath(folder))
    place.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{place.name[:40]}.{os.getpid()}."
    unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=place.parent))
    try:
        draft = unfinished / "x"  # inside, so that it is the umask's while the outer is ours alone
        draft.mkdir()
        yield draft
        _settle(draft, durable)
        _publish(draft, place, folder, again)
        if durable:
            flush(place.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _settle(draft, durable):
    """Gives all files and folders in a new folder its own mode, that of the umask."""
    mode = stat.S_IMODE(draft.stat().st_mode)
    for path in [*draft.rglob("*"), draft]:
        if not path.is_symlink():
            path.chmod(mode if path.is_dir() else mode & 0o666)
            if durable:
                flush(path)


def _publish(draft, place, folder, again):
    try:
        draft.rename(place)
    except OSError as wrong:
        if wrong.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            if again:
                folder = again()
                return _publish(draft, Path(os.path.realpath(folder)), folder, again)
            raise FileExistsError(
                f"{folder} was filled by another process in the meantime, and is left as that made "
                "it. Name another folder, or remove it."
            ) from wrong
        if wrong.errno in (errno.EBUSY, errno.EXDEV):
            raise OSError(f"{folder} is mounted there: name a folder inside it.") from wrong
        raise


def remove_drafts(folder, name=""):
    """Removes what killed processes of this machine left of files and folders called `name`…"""
    for path in Path(folder).glob(f".{name}*"):
        pid = next((int(part) for part in path.name.split(".")[2:] if part.isdecimal()), None)
        if pid is not None and not _is_alive(pid):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid != os.getpid()  # ours is of a process before us: we have left nothing yet


def flush(path):
    """Waits until a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
