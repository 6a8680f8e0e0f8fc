"""Fetching files over http, going on with parts, and wheels with pip.

A part stays when a connection breaks. Beside it is kept what the server calls the file's version,
so that no part of one version is gone on with in another; where nothing tells versions apart, the
file comes from its beginning.
"""

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tqdm import tqdm

from bert_tf2.files import read_json
from bert_tf2.weights import download
from bert_tf2.weights.download import DownloadError, check_content, discard, leaves

ATTEMPTS = 5  # connections to one address, while each of them brings something
SLOWEST = 1024  # bytes a second, over a window of at least
WINDOW = 5.0  # seconds
_NUMBER = "[0-9]{1,18}"


def fetch(url, part, label, size=0, timeout=60.0, checked=False):
    """Downloads `url` into the file `part`, going on from the bytes that are already there.

    Args:
        url: http(s) address.
        part: Path of the growing file; it stays when the connection breaks, for the next call. A
            link there is removed, not followed.
        label: name shown by the progress bar.
        size: bytes to expect, 0 when unknown.
        timeout: seconds without a single byte after which the server counts as stalled; also the
            window over which it must give `SLOWEST` bytes a second, and first all its headers.
        checked: whether the caller knows the file's sha256, which shows a mixture of two versions.
            If not, a part is gone on with only where the server names its file's version.

    Raises:
        DownloadError: no connection, a stalled, slow or lying server, or a full disk.
    """
    for path in (part, _version_file(part)):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            discard(path)
    for _ in range(ATTEMPTS):
        before = _size(part)
        try:
            if _receive(url, part, label, size, timeout, checked):
                _version_file(part).unlink(missing_ok=True)
                return
            reason = f"the server closed the connection after {_size(part)} bytes"
        except DownloadError:
            raise
        # Timeouts, HTTP and DNS errors too; a ValueError is of an address that is none.
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
        if _size(part) <= before:
            break
    raise DownloadError(reason)


def _version_file(part):
    return part.with_name(f"{part.name}.version")


def _kept_version(part):
    """What is known of the file that a part is of: `{"ETag": …, "Last-Modified": …}`."""
    try:
        return read_json(_version_file(part), {"ETag?": str, "Last-Modified?": str})
    except (OSError, ValueError):
        return {}


def _receive(url, part, label, size, timeout, checked):
    """One connection. True when `part` is complete, False when the server stopped early."""
    kept = _kept_version(part)
    have = _size(part) if kept or checked else 0
    headers = {"User-Agent": "bert_tf2", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        validator = kept.get("ETag", "W/")  # a weak one does not promise equal bytes
        validator = kept.get("Last-Modified") if validator.startswith("W/") else validator
        headers |= {"If-Range": validator} if validator else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        reply = _OPENER.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{have}" and _same(error.headers, kept):
            return True  # nothing follows: the file was complete already
        part.unlink()  # longer than the original, or of another, so not a part of it
        return _receive(url, part, label, size, timeout, checked)
    with reply:
        _check_reply(reply)
        if have and reply.status == 206 and not _same(reply.headers, kept):
            part.unlink()
            return _receive(url, part, label, size, timeout, checked)
        have, total = _announced(reply, have)
        if size and total not in (None, size):
            raise DownloadError(f"expected {size} bytes, the server announces {total}")
        if not have:
            _keep_version(part, reply.headers)
        have = _copy(reply, part, have, total, size, label, max(timeout, WINDOW))
    return have == (total or size or have)


class _Limited:
    """A connection that is given up if the headers are not there within the window.

    A timeout is one of each read: it never ends where a server drips.
    """

    def getresponse(self):
        window, is_late = max(self.timeout, WINDOW), threading.Event()

        def give_up(connected=self.sock):
            is_late.set()
            connected.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(window, give_up)
        timer.daemon = True
        timer.start()
        try:
            reply = super().getresponse()
        except (OSError, http.client.HTTPException, ValueError):
            if not is_late.is_set():
                raise
        finally:
            timer.cancel()
        if is_late.is_set():
            raise DownloadError(f"too slow: no whole headers came in {window:.0f} seconds")
        return reply


class _Http(_Limited, http.client.HTTPConnection):
    pass


class _Https(_Limited, http.client.HTTPSConnection):
    pass


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, request):
        return self.do_open(_Http, request)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, request):
        return self.do_open(_Https, request)


_OPENER = urllib.request.build_opener(_HttpHandler, _HttpsHandler)


def _copy(reply, part, have, total, size, label, window):
    """Appends what comes to the part. -> the bytes that it has then."""
    limit = min(total or size or download.MAX_BYTES, download.MAX_BYTES)
    bar = tqdm(desc=label, initial=have, total=total, unit="B", unit_scale=True, mininterval=0.5)
    since, before = time.monotonic(), have
    with bar, open(part, "ab" if have else "wb") as file:
        while block := reply.read1(1 << 18):
            have += len(block)
            if have > limit:
                raise DownloadError(f"more than {limit} bytes came")
            file.write(block)
            bar.update(len(block))
            if time.monotonic() - since > window:
                if have - before < SLOWEST * window:
                    raise DownloadError(
                        f"too slow: {have - before} bytes came in {window:.0f} seconds, expected "
                        f"{SLOWEST} a second or more"
                    )
                since, before = time.monotonic(), have
    return have


def _check_reply(reply):
    """Raises for what is no file: another status, a web page, a body that is encoded."""
    if reply.status not in (200, 206):
        raise DownloadError(f"expected status 200, the server answered {reply.status}")
    if (coding := reply.headers.get("Content-Encoding", "identity").lower()) != "identity":
        raise DownloadError(f"expected the file itself, the server sends it encoded as {coding!r}")
    if reply.headers.get_content_type() == "text/html" and "Content-Type" in reply.headers:
        raise DownloadError("expected a file, the server sends a web page (text/html)")


def _same(headers, kept):
    """Whether a reply is of the version that a part is of, as far as both say."""
    names = [name for name in kept if headers.get(name)]
    return all(headers[name] == kept[name] for name in names)


def _keep_version(part, headers):
    version = {name: headers[name] for name in ("ETag", "Last-Modified") if headers.get(name)}
    _version_file(part).unlink(missing_ok=True)
    if version:
        _version_file(part).write_text(json.dumps(version), encoding="utf-8")


def _announced(reply, have):
    """Where the reply starts and the length of the whole file, None when it is not said."""
    if reply.status != 206:  # no support for ranges: the file comes from its beginning
        length = reply.headers.get("Content-Length")
        if length is not None and not re.fullmatch(_NUMBER, length):
            raise DownloadError(f"expected a Content-Length, received {length[:20]!r}")
        return 0, length if length is None else int(length)
    content_range = reply.headers.get("Content-Range", "")
    match = re.fullmatch(rf"bytes ({_NUMBER})-{_NUMBER}/({_NUMBER}|\*)", content_range)
    if not match or int(match[1]) != have:
        raise DownloadError(f"asked for bytes from {have}, received {content_range[:60]!r}")
    return have, None if match[2] == "*" else int(match[2])


def _size(path):
    return path.stat().st_size if path.exists() else 0


def fetch_files(address, names, folder, label, timeout=60.0, checked=()):
    """Downloads files into `folder`, going on from those, and the `.part`s, that are there already.

    Args:
        address: http(s) address of the folder that they lie in.
        names: of the files, relative to it.
        folder: Path; it stays when a connection breaks, for the next call.
        label: name shown by the progress bars, before the file's.
        timeout: as in `fetch`.
        checked: the names whose sha256 the caller knows.

    Raises:
        DownloadError: as `fetch` and `check_content`, or a name would leave the folder; it names
            the file.
    """
    unsafe = [name for name in names if leaves(name)]
    if unsafe or not names:
        raise DownloadError(f"expected files inside the folder, received {unsafe or 'none'}")
    for name in names:
        whole, part = folder / name, folder / f"{name}.part"
        if whole.exists():
            continue
        part.parent.mkdir(parents=True, exist_ok=True)
        url = f"{address}/{urllib.parse.quote(name)}"
        try:
            fetch(url, part, f"{label} {name}", timeout=timeout, checked=name in checked)
            try:
                check_content(part, name)
            except DownloadError:
                part.unlink()  # wrong, so nothing to go on from
                raise
        except DownloadError as error:
            raise DownloadError(f"{name}: {error}") from error
        part.rename(whole)


def fetch_wheel(requirement, folder, timeout=60.0):
    """Downloads one wheel from PyPI with pip, without its dependencies. -> Path of the wheel.

    Raises:
        DownloadError: with the last line that pip printed.
    """
    print(f"pip downloads the wheel {requirement} …", file=sys.stderr)
    # A source distribution would run its own code: only wheels.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--retries", "2", "--timeout", str(int(timeout))]
    command += ["--quiet", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = sorted(Path(folder).glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["pip brought no wheel"])[-1]
        raise DownloadError(f"pip download {requirement}: {last}")
    return wheels[0]
