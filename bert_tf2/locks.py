"""One at a time: a folder that one process writes into."""

import contextlib
import errno
import fcntl
import logging
import os
from pathlib import Path

LOGGER = logging.getLogger("bert_tf2")


class InUse(OSError):
    """A folder that another run writes into."""


@contextlib.contextmanager
def locked(folder, name=".lock", wait=None):
    """Holds a folder, which is created if need be, for this process until the block ends.

    The kernel lets go of the lock when its holder dies, so that none is ever stale; the file goes
    when the block ends. Where no lock can be had, on a full disk, say, that is logged, and the
    block runs all the same.

    Args:
        folder: a str or Path.
        name: of the lock's file in it; who uses another name is not kept out.
        wait: function to call, without arguments, before waiting for a lock that is held; None
            raises at once.

    Raises:
        InUse: another process holds it; it names that process.
        OSError: the lock's file is a link, or the folder cannot be created.
    """
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _open(path)
    while handle is not None and not _is_locked(handle, path, wait):
        os.close(handle)
        handle = _open(path)
    try:
        yield
    finally:
        if handle is not None:
            with contextlib.suppress(OSError):
                path.unlink()  # before it is free: nobody else holds this file
            os.close(handle)


def _open(path):
    """The open file of a lock; None where there can be none."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(f"{path} is a link, and no lock of ours: remove it.") from error
        LOGGER.warning("%s cannot be locked (%s): let no second run write there", path, error)
        return None


def _is_locked(handle, path, wait):
    """Takes a lock; -> False where its file went while we waited."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        if wait is None:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise InUse(
                f"{path.parent} is in use by another run, process {holder}: wait for it, or name "
                "another folder."
            ) from error
        wait()
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:  # a file system without locks
        LOGGER.warning("%s cannot be locked (%s): let no second run write there", path, error)
    with contextlib.suppress(OSError):
        if not os.path.samestat(os.fstat(handle), os.lstat(path)):
            return False
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        return True
    return os.path.lexists(path)  # else it is gone, or the disk is full
