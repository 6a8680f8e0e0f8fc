"""Downloads of single files, as Hugging Face gives them, against a real HTTP server."""

import dataclasses
import gzip
import hashlib
import json
import multiprocessing
import os
import signal
import time

import pytest
from http_server import contents, refused, serving

from bert_tf2.weights import registry
from bert_tf2.weights.registry import Entry

FILES = {
    "config.json": b'{"hidden_size": 8}',
    "model.safetensors": bytes(range(256)) * 4000,
    "vocab.txt": b"[PAD]\n[UNK]\n",
}
WEIGHTS = "model.safetensors"
PART = f"{WEIGHTS}.part"
HALF = len(FILES[WEIGHTS]) // 2
RIGHT = {WEIGHTS: hashlib.sha256(FILES[WEIGHTS]).hexdigest()}

spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def server():
    with serving(files=dict(FILES)) as server:
        server.moody = WEIGHTS
        yield server


@pytest.fixture
def entry(server):
    address = f"{server.address}/tiny/resolve/main"
    return Entry("tiny", "bert", "files", address, "MIT", "a test", files=tuple(FILES))


def test_every_file_comes_and_is_recorded(server, entry, tmp_path):
    target = registry.install(entry, tmp_path / "new")
    assert contents(target) == FILES
    assert server.asked == [(name, 0) for name in FILES]
    record = json.loads((target / registry.RECORD).read_text())
    assert record["sha256"] == {n: hashlib.sha256(d).hexdigest() for n, d in FILES.items()}
    assert record["address"] == entry.address
    left = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert left == [".tiny.lock", "tiny"]


def test_files_in_folders(server, entry, tmp_path):
    server.files["a%20name.txt"] = b"x"  # as the address has it
    entry = dataclasses.replace(entry, files=("deep/er/a name.txt", "vocab.txt"))
    assert contents(registry.install(entry, tmp_path)) == {
        "deep/er/a name.txt": b"x",
        "vocab.txt": FILES["vocab.txt"],
    }


@pytest.mark.parametrize("mood", ["breaks once", "stalls once"])
def test_goes_on_where_the_connection_broke(server, entry, tmp_path, mood):
    server.mood = mood
    assert contents(registry.install(entry, tmp_path, timeout=0.5)) == FILES
    assert server.asked == [("config.json", 0), (WEIGHTS, 0), (WEIGHTS, HALF), ("vocab.txt", 0)]


def test_goes_on_in_the_next_call(server, entry, tmp_path):
    server.mood = "stalls for ever"
    refused(entry, tmp_path, f"{WEIGHTS}: timed out")
    server.mood, server.asked = "", []
    assert contents(registry.install(entry, tmp_path)) == FILES
    assert server.asked == [(WEIGHTS, HALF), ("vocab.txt", 0)]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_server_that_names_no_version(server, entry, tmp_path, is_known):
    """The file changes between two parts: only a sha256 that is known would show a mixture."""
    new = bytes(len(FILES[WEIGHTS]))
    digest = hashlib.sha256(new).hexdigest()
    entry = dataclasses.replace(entry, sha256={WEIGHTS: digest} if is_known else {})
    server.mood, server.headers = "stalls for ever", {}
    refused(entry, tmp_path, f"{WEIGHTS}: timed out")
    server.mood, server.asked, server.files[WEIGHTS] = "", [], new
    if is_known:
        refused(entry, tmp_path, f"{WEIGHTS} has sha256 .* expected {digest}")
        assert server.asked[0] == (WEIGHTS, HALF)
    target = registry.install(entry, tmp_path)
    assert contents(target) == FILES | {WEIGHTS: new}


@pytest.mark.parametrize("mood", ["no ranges", "says nothing", "announces more"])
def test_servers_that_know_little(server, entry, tmp_path, mood):
    (tmp_path / ".tiny.parts").mkdir()
    (tmp_path / ".tiny.parts" / PART).write_bytes(FILES[WEIGHTS][:5000])
    server.mood = mood
    entry = dataclasses.replace(entry, sha256=RIGHT)
    assert contents(registry.install(entry, tmp_path, timeout=0.5)) == FILES


def test_a_file_announced_shorter_than_it_is(server, entry, tmp_path):
    server.mood = "announces less"
    entry = dataclasses.replace(entry, sha256=RIGHT)
    refused(entry, tmp_path, f"{WEIGHTS} has sha256 .* expected {RIGHT[WEIGHTS]}")
    server.mood = ""
    assert contents(registry.install(entry, tmp_path)) == FILES


def test_wrong_sha256_is_refused_and_fetched_anew(server, entry, tmp_path):
    server.files[WEIGHTS] = FILES[WEIGHTS][:-1] + b"!"
    entry = dataclasses.replace(entry, sha256=RIGHT)
    refused(entry, tmp_path, f"{WEIGHTS} has sha256 .* expected {RIGHT[WEIGHTS]}")
    assert not (tmp_path / ".tiny.parts").exists()
    server.files[WEIGHTS] = FILES[WEIGHTS]
    assert contents(registry.install(entry, tmp_path)) == FILES


PAGE = b"\n<!DOCTYPE html><html><body>Log in first</body></html>"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("body", "match"),
    [
        (PAGE, "a web page came instead of the file"),
        (b"", "nothing came: 0 bytes"),
        (gzip.compress(b"x"), "a gzip-compressed file came"),
    ],
)
def test_what_is_not_the_file(server, entry, tmp_path, name, body, match):
    server.files[name] = body
    refused(entry, tmp_path, f"{name}: {match}")
    server.files[name] = FILES[name]  # neither installed nor kept as a part
    assert contents(registry.install(entry, tmp_path)) == FILES


@pytest.mark.parametrize(
    ("headers", "status", "match"),
    [
        ({"Content-Type": "text/html; charset=utf-8"}, 200, "a web page"),
        ({"Content-Encoding": "gzip"}, 200, "encoded as 'gzip'"),
        ({}, 204, "the server answered 204"),
        ({}, 203, "the server answered 203"),
        ({"Content-Length": "\xb2"}, 200, "expected a Content-Length, received '²'"),
        ({"Content-Length": "9" * 5000}, 200, "expected a Content-Length"),
        ({"Content-Length": "-1"}, 200, "expected a Content-Length"),
    ],
)
def test_replies_that_are_no_file(server, entry, tmp_path, headers, status, match):
    server.headers, server.status = headers, status
    refused(entry, tmp_path, f"config.json: .*{match}")
    server.headers, server.status = {}, 200
    assert contents(registry.install(entry, tmp_path)) == FILES


def test_json_that_is_none(server, entry, tmp_path):
    for body in (b"[1]", b"{", b"\xff", b"[" * 100_000):
        server.files["config.json"] = body
        refused(entry, tmp_path, "config.json: no JSON")


def test_what_was_verified_is_said(server, entry, tmp_path):
    folder = registry.install(dataclasses.replace(entry, sha256=RIGHT), tmp_path)
    assert registry.verification(folder) == (
        f"verified by sha256: {WEIGHTS}\nlooked at, no checksum is known: config.json, vocab.txt"
    )
    (folder / registry.RECORD).unlink()
    assert "nothing of it was verified" in registry.verification(folder)


def test_linked_parts_are_not_followed(server, entry, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    for name in (*FILES, PART):
        (precious / name).write_text("precious")
    (tmp_path / ".tiny.parts").symlink_to("precious")
    assert contents(registry.install(entry, tmp_path)) == FILES
    (tmp_path / ".tiny.parts").mkdir()
    for name in (*FILES, PART):
        (tmp_path / ".tiny.parts" / name).symlink_to(precious / name)
    (tmp_path / ".tiny.work").symlink_to("precious")
    assert contents(registry.install(entry, tmp_path, force=True)) == FILES
    assert {path.read_text() for path in precious.iterdir()} == {"precious"}
    assert len(list(precious.iterdir())) == len(FILES) + 1


def test_failed_replacement_keeps_the_old_folder(server, entry, tmp_path):
    registry.install(entry, tmp_path)
    server.mood = "missing"
    with pytest.raises(OSError, match=f"{WEIGHTS}: HTTP Error 404"):
        registry.install(entry, tmp_path, force=True)
    assert contents(tmp_path / "tiny") == FILES
    server.mood, server.files["vocab.txt"] = "", b"new"
    registry.install(entry, tmp_path, force=True)
    assert contents(tmp_path / "tiny") == FILES | {"vocab.txt": b"new"}


def test_nothing_else_gets_into_the_folder(server, entry, tmp_path):
    """What a killed download left: a record, and a file that the registry no longer lists."""
    (tmp_path / ".tiny.parts").mkdir()
    for name in (registry.RECORD, "pytorch_model.bin"):
        (tmp_path / ".tiny.parts" / name).write_bytes(b"old")
    target = registry.install(entry, tmp_path)
    assert contents(target) == FILES
    assert set(json.loads((target / registry.RECORD).read_text())["sha256"]) == set(FILES)


@pytest.mark.parametrize(
    "name", ["../escaped.txt", "a/../../escaped.txt", "/tmp/escaped.txt", "..\\escaped.txt", "C:x"]
)
def test_names_that_leave_the_folder(server, entry, tmp_path, name):
    unsafe = dataclasses.replace(entry, files=("vocab.txt", name))
    refused(unsafe, tmp_path / "inner", "expected files inside the folder, received")
    assert server.asked == []
    assert not list(tmp_path.rglob("escaped.txt"))


def test_no_server_and_no_files(server, entry, tmp_path):
    refused(dataclasses.replace(entry, files=()), tmp_path, "received none")
    server.shutdown()
    server.server_close()
    refused(entry, tmp_path, "config.json: .*Connection refused")


# === Several processes ===


def test_killed_half_way(server, entry, tmp_path):
    server.mood = "stalls for ever"
    worker = spawn.Process(target=registry.install, args=(entry, tmp_path))
    worker.start()
    assert server.stalled.wait(60)
    part = tmp_path / ".tiny.parts" / PART
    while not part.exists() or not part.stat().st_size:  # its bytes are on the way
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert not (tmp_path / "tiny").exists()
    server.mood, server.asked = "", []
    assert contents(registry.install(entry, tmp_path)) == FILES  # neither lock nor rest in the way
    assert dict(server.asked)[WEIGHTS] > 0
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
    server.released.set()
    first.join(60)
    second.join(60)
    assert (first.exitcode, second.exitcode) == (0, 0)
    assert server.asked == [("config.json", 0), (WEIGHTS, 0), (WEIGHTS, HALF), ("vocab.txt", 0)]
    assert contents(tmp_path / "tiny") == FILES
