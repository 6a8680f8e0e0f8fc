"""What a download may be: its error, its limits, its archives unpacked and its files looked at."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath

from bert_tf2.files import check_regular
from bert_tf2.messages import MESSAGE, cut, shorten

MAX_BYTES = 16 << 30  # of one download, and of all the files that one archive declares
# What a disk or the system says, and no archive is to blame for.
_SYSTEM = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}


class DownloadError(OSError):
    """A checkpoint could not be fetched, or what came is not what was announced."""

    def __init__(self, message):
        super().__init__(cut(" ".join(str(message).split()), MESSAGE))


@contextlib.contextmanager
def only_one(path, what):
    """Holds the lock file `path`; waits, and says so, while another process holds it.

    The kernel releases the lock when its holder dies, so none is ever stale.

    Raises:
        DownloadError: it is a link, or no file.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise DownloadError(f"{path} is no lock of ours: remove it") from error
        raise
    with open(handle, "r+b", buffering=0):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another process is downloading {what}: waiting for it.", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def discard(path):
    """Removes a file, a folder or a link, and nothing that a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


# === Looking at files ===

_PAGE = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)


def check_content(path, name):
    """Raises DownloadError for what cannot be the file of this name: a page, nothing, a JSON of no
    object, or a compressed file under another name.
    """
    if not check_regular(path, error=DownloadError):
        raise DownloadError("nothing came: 0 bytes")
    with open(path, "rb") as file:
        start = file.read(1024)
        if _PAGE.match(start):
            raise DownloadError(f"a web page came instead of the file. It begins {shorten(start)}")
        if start.startswith(b"\x1f\x8b") and not name.endswith((".gz", ".tgz")):
            raise DownloadError("a gzip-compressed file came instead of the file itself")
        if name.endswith(".json"):
            try:
                found = json.loads((start + file.read()).decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise DownloadError(f"no JSON came. It begins {shorten(start)}") from error
            if not isinstance(found, dict):
                raise DownloadError(f"no JSON object came, but {shorten(found)}")


# === Unpacking ===


def unpack(archive, folder, inside="", files=()):
    """Writes the regular files of a zip (or wheel) or tar archive into the new folder `folder`.

    Args:
        archive, folder: Paths.
        inside: take only what lies under this folder of the archive. By default everything,
            less a single top folder that holds all the files.
        files: names, under `inside`, to take; all of them must be there. By default all.

    Raises:
        DownloadError: not a whole archive, a member that is a link or would leave the folder,
            too many bytes, or a file of `files` missing.
    """
    folder.mkdir()
    try:
        kind = zipfile.ZipFile if zipfile.is_zipfile(archive) else tarfile.open
        with kind(archive) as opened:
            members = _safe_members(opened)
            prefix = inside or _common_folder(members)
            names = [name.removeprefix(prefix) for name in members if name.startswith(prefix)]
            if absent := sorted(set(files) - set(names)):
                raise DownloadError(
                    f"the archive lacks {absent}, it holds {shorten(sorted(names), 300)}"
                )
            for name in files or names:
                _write(opened, members[prefix + name], folder / name)
            _read_to_the_end(opened)
    except DownloadError:
        raise
    except Exception as error:  # zipfile, tarfile and decompressors raise what they like
        if isinstance(error, OSError) and error.errno in _SYSTEM:
            raise
        raise DownloadError(
            f"what came is not a whole zip or tar archive ({type(error).__name__})"
        ) from error


def _safe_members(opened):
    """The regular files of an open archive, by name; refuses a hostile archive as a whole."""
    members, total = {}, 0
    for name, size, is_folder, is_file, info in _listing(opened):
        path = PurePosixPath(name)
        if leaves(name):
            raise DownloadError(f"unsafe archive: {shorten(name)} would leave the folder")
        if is_folder:
            continue
        total += size
        if not is_file or size < 0 or not path.parts or str(path) in members:
            raise DownloadError(
                f"unsafe archive: {shorten(name)} is a link, a device, sparse, without a name or "
                "there twice"
            )
        if total > MAX_BYTES:
            raise DownloadError(f"unsafe archive: it unpacks to more than {MAX_BYTES} bytes")
        if path.parts[0] != "__MACOSX":  # what the Finder adds
            members[str(path)] = info
    return members


def leaves(name):
    """Whether a file of this name, on any system, could lie outside its folder."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or bool(re.search(r"[\\:\x00-\x1f\x7f]", name))


def _listing(opened):
    """(name, declared bytes, is a folder, is a regular file, info) of each member."""
    if isinstance(opened, tarfile.TarFile):
        for info in opened.getmembers():
            is_file = info.isreg() and not info.issparse()  # which would declare what is not there
            yield info.name, info.size, info.isdir(), is_file, info
    else:
        for info in opened.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where the maker is not a Unix
            yield info.filename, info.file_size, info.is_dir(), mode in (0, stat.S_IFREG), info


def _common_folder(names):
    """'NAME/' when all the names lie under one top folder, else ''."""
    tops = {name.partition("/")[0] for name in names}
    return f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in names) else ""


def _write(opened, info, target):
    """One member into a new file. Neither module gives more bytes than a member declares."""
    target.parent.mkdir(parents=True, exist_ok=True)
    is_tar = isinstance(opened, tarfile.TarFile)
    source = opened.extractfile(info) if is_tar else opened.open(info)
    with source, open(target, "xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _read_to_the_end(opened):
    """Of a tar: only at its end does a compressor's checksum cover all that was read."""
    rest, left = opened.fileobj if isinstance(opened, tarfile.TarFile) else None, MAX_BYTES
    while rest is not None and (block := rest.read(1 << 20)):
        left -= len(block)
        if left < 0:
            raise DownloadError(f"unsafe archive: it unpacks to more than {MAX_BYTES} bytes")


def sha256_of(path):
    """The sha256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
