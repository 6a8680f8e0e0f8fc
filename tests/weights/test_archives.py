"""Downloads of archives, against a real HTTP server on this machine."""

import contextlib
import dataclasses
import gzip
import hashlib
import importlib
import io
import json
import multiprocessing
import os
import random
import signal
import stat
import tarfile
import time
import zipfile

import pytest
from http_server import contents, refused, serving

from bert_tf2.weights import fetching, registry
from bert_tf2.weights.download import DownloadError, unpack
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


def odd_tar(pax=None, size=1, kind=tarfile.REGTYPE, patch=None):
    """A tar.gz with a header that no tar writes: pax fields, a size, bytes at a place of it."""
    info = tarfile.TarInfo("a.txt")
    info.type, info.size, info.pax_headers = kind, size, pax or {}
    format = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    header = bytearray(info.tobuf(format, errors="surrogateescape"))
    if patch:
        place, content = patch
        header[place : place + len(content)] = content
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header[:512])
    return gzip.compress(bytes(header) + b"x".ljust(512, b"\0") + bytes(1024))


@pytest.fixture
def server():
    with serving(make_zip(FILES)) as server:
        yield server


@pytest.fixture
def entry(server):
    return Entry("tiny", "bert", "archive", f"{server.address}/tiny.zip", "Apache-2.0", "a test")


def starts(server):
    """The first byte of each request."""
    return [start for _, start in server.asked]


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
    assert starts(server) == []
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
    assert starts(server) == [0, len(server.body) // 2]


def test_goes_on_in_the_next_call(server, entry, tmp_path):
    server.mood = "stalls for ever"
    refused(entry, tmp_path, "timed out")
    server.mood, server.asked = "", []
    assert contents(registry.install(entry, tmp_path)) == FILES
    assert starts(server) == [len(server.body) // 2]


@pytest.mark.parametrize("header", ["ETag", "Last-Modified", "weak ETag"])
def test_a_file_that_changes_between_two_parts(server, entry, tmp_path, header):
    """Stored, so that a mixture would be a zip, too, but for one of its checksums."""
    versions = ('"one"', '"two"') if header == "ETag" else ('W/"one"', 'W/"two"')
    name = header.removeprefix("weak ")
    server.mood, server.headers = "stalls for ever", {name: versions[0]}
    refused(entry, tmp_path, "timed out")
    half = len(server.body) // 2
    assert (tmp_path / ".tiny.part").stat().st_size == half
    changed = {name: bytes(len(data)) for name, data in FILES.items()}
    server.mood, server.headers, server.asked = "", {name: versions[1]}, []
    server.body = make_zip(changed)
    assert contents(registry.install(entry, tmp_path)) == changed
    assert starts(server)[0] == half  # asked for, and answered with all or thrown away
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiny.lock", "tiny"]


def test_a_file_that_did_not_change_is_gone_on_with(server, entry, tmp_path):
    server.mood, server.headers = "stalls for ever", {"ETag": '"one"'}
    refused(entry, tmp_path, "timed out")
    server.mood, server.asked = "", []
    assert contents(registry.install(entry, tmp_path)) == FILES
    assert starts(server) == [len(server.body) // 2]


@pytest.mark.parametrize(
    ("mood", "match"), [("drips", "[0-9]+ bytes came"), ("drips headers", "no whole headers came")]
)
def test_a_server_that_drips(server, entry, tmp_path, monkeypatch, mood, match):
    monkeypatch.setattr(fetching, "WINDOW", 0.5)
    server.mood = mood
    refused(entry, tmp_path, f"too slow: {match}")


@pytest.mark.parametrize("suffix", ["lock", "part"])
def test_linked_files_are_not_followed(server, entry, tmp_path, suffix):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f".tiny.{suffix}").symlink_to("precious")
    if suffix == "lock":
        with pytest.raises(DownloadError, match="is no lock of ours: remove it"):
            registry.install(entry, tmp_path)
    else:
        assert contents(registry.install(entry, tmp_path)) == FILES
    assert (tmp_path / "precious").read_text() == "precious"


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
        (make_zip({".": b"x"}), "without a name"),
        (make_zip({"./.": b"x", "a.txt": b"x"}), "without a name"),
        (make_zip({"a\nb.txt": b"x"}), "would leave the folder"),
        (make_zip({"a": b"x", "a/b": b"x"}), "not a whole zip or tar archive"),
        (make_zip({"x" * 300: b"x"}), "not a whole zip or tar archive"),
        (odd_tar(size=15 << 30, kind=tarfile.GNUTYPE_SPARSE), "sparse|not a whole"),
        (
            odd_tar({"GNU.sparse.major": "0", "GNU.sparse.size": str(15 << 30)}),
            "sparse|not a whole",
        ),
        (odd_tar(patch=(124, b"\xff" * 12)), "not a whole|without a name"),
        (odd_tar(patch=(124, b"\x80" + b"\xff" * 11)), "not a whole|more than"),
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


@pytest.mark.parametrize(
    "pax",
    [
        {"size": "many"},
        {"size": "-5"},
        {"mtime": "9" * 5000},
        {"path": "\udcff"},
        {"uid": "x", "GNU.sparse.map": "1,x"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"hdrcharset": "BINARY", "path": "\udcff"},
    ],
)
def test_odd_fields_of_a_tar(tmp_path, pax):
    """Some are read, some refused; none with an error of another kind."""
    (tmp_path / "a.tar.gz").write_bytes(odd_tar(pax))
    with contextlib.suppress(DownloadError):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_flipped_bit_in_a_tar(server, entry, tmp_path, place):
    """Random bytes are stored as they are: nothing but the checksum at the end tells."""
    data = random.Random(0).randbytes(100_000)
    server.body = whole = make_tar(("tiny/a.bin", data), ("tiny/b.txt", b"b"))
    changed = bytearray(whole)
    changed[int(place * len(changed))] ^= 1
    server.body = bytes(changed)
    refused(entry, tmp_path, "not a whole zip or tar archive .BadGzipFile")
    server.body = whole
    assert contents(registry.install(entry, tmp_path)) == {"a.bin": data, "b.txt": b"b"}
    assert starts(server) == [0, 0]  # the damaged one was thrown away


def test_bomb(server, entry, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("bert_tf2.weights.download"), "MAX_BYTES", 1 << 20)
    server.body = make_zip({"zeros": bytes(2 << 20)}, method=zipfile.ZIP_DEFLATED)
    assert len(server.body) < 10_000
    refused(entry, tmp_path, "unpacks to more than")


# === Several processes ===

spawn = multiprocessing.get_context("spawn")


@pytest.mark.full
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
    assert starts(server)[1] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiny.lock", "tiny"]


@pytest.mark.full
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
    assert starts(server) == [0, len(server.body) // 2]
    assert contents(tmp_path / "tiny") == FILES
