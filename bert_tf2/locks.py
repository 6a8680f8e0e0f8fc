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
    when the block ends. It is not followed where it is a link.

    Args:
        folder: a str or Path.
        name: of the lock's file in it; who uses another name is not kept out.
        wait: function to call, without arguments, before waiting for a lock that is held; None
            raises at once.

    Raises:
        InUse: another process holds it; it names that process.
        OSError: no lock can be made there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    handle = None
    while handle is None:
        handle = _lock(folder / name, wait)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / name).unlink()  # before it is free: nobody else holds this file
        os.close(handle)


def _lock(path, wait):
    """The open file of a lock that is now ours; None where it went while we waited for it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as wrong:
        if wrong.errno == errno.ELOOP:
            raise OSError(f"{path} is a link, and no lock of ours: remove it.") from wrong
        raise
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            if wait is None:
                holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise InUse(
                    f"{path.parent} is in use by another run, process {holder}: wait for it, or "
                    "name another folder."
                ) from held
            wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as wrong:  # a file system without locks
            LOGGER.warning("%s cannot be locked (%s): let no second run write there", path, wrong)
        if not _is_there(path, handle):
            os.close(handle)
            return None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        return handle
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(handle)
        raise


def _is_there(path, handle):
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    return False
