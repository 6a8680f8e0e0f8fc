"""A web server that misbehaves on request, and what downloads from it are held to."""

import contextlib
import http.server
import re
import threading

import pytest

from bert_tf2.weights import registry
from bert_tf2.weights.download import DownloadError


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.body`, or `server.files[last part of the path]`, with ranges.

    It misbehaves as `server.mood` says, at `server.moody` alone if that is set, and notes what it
    was asked for in `server.asked`, (last part of the path, first byte) each.
    """

    def do_GET(self):
        server, name = self.server, self.path.rpartition("/")[2]
        body, start = server.files.get(name, server.body), 0
        requested = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        server.asked.append((name, int(requested[1]) if requested else 0))
        mood = server.mood if server.moody in (None, name) else ""
        if mood == "drips headers":
            return self.drip(b"HTTP/1.1 200 OK\r\nX-Padding: " + b"." * 100)
        if mood == "missing":
            return self.send_error(404)
        asked = self.headers.get("If-Range")
        same = asked is None or asked in server.headers.values()
        if requested and mood != "no ranges" and same:
            start = int(requested[1])
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            last, whole = len(body) - 1, len(body)
            self.send_header("Content-Range", f"bytes {start}-{last}/{whole}")
        else:
            self.send_response(server.status)
        for header in server.headers.items():
            self.send_header(*header)
        length = len(body) - start
        if mood == "announces less":
            length //= 2
        if mood == "announces more":
            length += 1000
        if mood != "says nothing" and "Content-Length" not in server.headers:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        first = [asked for asked, _ in server.asked].count(name) == 1
        return self.send_body(body[start:], mood, first)

    def send_body(self, body, mood, first):
        half = len(body) // 2
        with contextlib.suppress(ConnectionError):  # the client may have had enough
            if mood == "stalls for ever" or (mood == "stalls once" and first):
                self.wfile.write(body[:half] if first else b"")
                self.wfile.flush()
                self.server.stalled.set()
                self.server.released.wait(30)
            elif mood == "drips":
                self.drip(body[:100])
            elif mood == "announces less" or (mood == "breaks once" and first):
                self.wfile.write(body[:half])
            else:
                self.wfile.write(body)

    def drip(self, content):
        with contextlib.suppress(ConnectionError):
            for byte in content:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.server.released.wait(0.1):
                    return

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(body=b"", files=None):
    """Yields a running server of `body`, or of files by name; its `address` ends without a /."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.body, server.files, server.mood, server.moody = body, files or {}, "", None
    server.headers, server.status = {"ETag": '"one"'}, 200
    server.asked, server.address = [], f"http://127.0.0.1:{server.server_port}"
    server.stalled, server.released = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


def contents(folder):
    """The files of a folder, the download record excepted."""
    paths = [p for p in folder.rglob("*") if p.is_file() and p.name != registry.RECORD]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def refused(entry, parent, match, **options):
    """The download fails with this message, in one line that says where to place the files."""
    with pytest.raises(DownloadError, match=match) as caught:
        registry.install(entry, parent, timeout=0.5, **options)
    assert "\n" not in str(caught.value)
    place = parent / entry.name
    said = f"place its files (configuration, vocabulary, weights) in {place}"
    assert said in str(caught.value)
    assert not place.exists()
    assert not (parent / f".{entry.name}.work").exists()
