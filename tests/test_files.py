"""The ground floor: writes that are whole or absent, reads that end, and one at a time."""

import json
import multiprocessing
import os
import re
import signal
import socket
import stat
from pathlib import Path

import pytest

from bert_tf2 import files
from bert_tf2.locks import InUse, locked
from bert_tf2.messages import FileError, shorten

# === Reading ===


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


ODD = {
    "folder": (Path.mkdir, "a folder"),
    "fifo": (os.mkfifo, r"a FIFO \(named pipe\)"),
    "socket": (make_socket, "a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "terminal": (lambda path: path.symlink_to("/dev/null"), "a device"),
}


@pytest.mark.parametrize("read", [files.read_bytes, files.read_text, files.read_json])
@pytest.mark.parametrize("kind", ODD)
def test_only_regular_files_are_read(tmp_path, monkeypatch, kind, read):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    make, words = ODD[kind]
    make(Path("odd"))
    with pytest.raises(FileError, match=f"odd must be a regular file. Received: {words}"):
        read("odd")


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        files.read_bytes(tmp_path / "absent")
    with pytest.raises(FileError, match="name of a file"):
        files.read_bytes("a\0b")
    (tmp_path / "ring").symlink_to("ring")
    with pytest.raises(OSError, match="ring"):
        files.read_bytes(tmp_path / "ring")


def test_a_file_has_a_size(tmp_path):
    file = tmp_path / "big"
    with open(file, "wb") as stream:
        stream.truncate(1 << 40)  # sparse
    with pytest.raises(FileError, match=r"at most 67,108,864 bytes. Received: 1,099,511,627,776"):
        files.read_json(file)
    file.write_bytes(b"12345")
    assert files.read_bytes(file, at_most=5) == b"12345"
    assert files.read_bytes(file, at_most=None) == b"12345"
    with pytest.raises(FileError, match="at most 4 bytes"):
        files.read_bytes(file, at_most=4)
    assert files.read_bytes("/proc/self/status").startswith(b"Name:")  # of size 0, as it says


def test_text_is_utf_8_with_or_without_a_mark(tmp_path):
    file = tmp_path / "a.txt"
    for content in ("é\r\n".encode(), "\ufeffé\r\n".encode()):
        file.write_bytes(content)
        assert files.read_text(file) == "é\r\n"
    file.write_bytes("[PAD]\n".encode("utf-16"))
    with pytest.raises(FileError, match=r"a.txt must be text in UTF-8. Received: .* at byte 0"):
        files.read_text(file)


SCHEMA = {
    "n": int,
    "rate": float,
    "name?": (str, None),
    "flags?": [bool],
    "places?": {str: (str, [str])},
    "inner?": {"deep": int},
}
GOOD = {"n": 1, "rate": 1}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"name": None, "flags": [True, False], "unknown": object},
        {"places": {"a": "x", "b": ["y"]}, "inner": {"deep": 3}},
    ],
)
def test_fields_that_fit(tmp_path, more):
    values = GOOD | {k: v for k, v in more.items() if k != "unknown"}
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(values).encode())
    assert files.read_json(tmp_path / "a.json", SCHEMA) == values


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "is not a JSON file: it is empty"),
        ("<html>", "is not a JSON file: .*Received: '<html>'"),
        ("[1]", r"a JSON object. Received: \[1\]"),
        ("null", "a JSON object. Received: None"),
        ('{"n": ' + "9" * 5000 + "}", "is not a JSON file"),
        ('{"n":' * 100_000, "nested more than 64 deep"),
        (json.dumps(GOOD | {"x": eval("[" * 70 + "]" * 70)}), "nested more than 64 deep"),
        ('{"rate": 1}', r"lacks n, which must be an integer. It has: \['rate'\]"),
        (json.dumps(GOOD | {"n": "1"}), "n must be an integer. Received: '1'"),
        (json.dumps(GOOD | {"n": True}), "n must be an integer. Received: True"),
        (json.dumps(GOOD | {"n": None}), "n must be an integer. Received: None"),
        (json.dumps(GOOD | {"rate": "x" * 10_000}), "rate must be a number. Received: 'xx"),
        (json.dumps(GOOD | {"name": 3}), "name must be text or null. Received: 3"),
        (json.dumps(GOOD | {"flags": [True, 0]}), r"flags\[1\] must be true or false"),
        (json.dumps(GOOD | {"places": {"a": 1}}), "places.a must be text or a list"),
        (json.dumps(GOOD | {"places": []}), "places must be an object"),
        (json.dumps(GOOD | {"inner": {}}), "lacks inner.deep"),
    ],
)
def test_fields_that_do_not(tmp_path, content, match):
    file = tmp_path / "odd.json"
    file.write_text(content)
    with pytest.raises(FileError, match=match) as caught:
        files.read_json(file, SCHEMA)
    assert str(caught.value).startswith(str(file)) and len(str(caught.value)) <= 600


class Rude:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "value", ["x" * 10**6, list(range(10**6)), {"a" * 999: ["b" * 999] * 99}, 10**4000, Rude()]
)
def test_values_in_messages_are_short(value):
    assert 0 < len(shorten(value)) <= 120
    assert len(str(FileError("x" * 10_000))) == 600


# === Writing ===


def modes(folder):
    paths = [folder, *sorted(folder.rglob("*"))]
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in paths}


@pytest.mark.parametrize(
    ("umask", "of_folders", "of_files"), [(0o022, "0o755", "0o644"), (0o007, "0o770", "0o660")]
)
def test_modes_are_the_umasks(tmp_path, umask, of_folders, of_files):
    before = os.umask(umask)
    try:
        with files.new_folder(tmp_path / "new") as draft:
            (draft / "private").touch(0o600)
            (draft / "inner").mkdir(0o700)
        with files.new_file(tmp_path / "one") as draft:
            draft.unlink()
            draft.touch(0o600)
    finally:
        os.umask(before)
    assert modes(tmp_path / "new") == {"new": of_folders, "inner": of_folders, "private": of_files}
    assert modes(tmp_path / "one")["one"] == of_files


@pytest.mark.parametrize("durable", [False, True])
def test_whole_or_absent(tmp_path, durable):
    with pytest.raises(ZeroDivisionError), files.new_file(tmp_path / "a.txt", durable) as draft:
        draft.write_text("half")
        _ = 1 / 0
    with pytest.raises(ZeroDivisionError), files.new_folder(tmp_path / "b", durable) as draft:
        (draft / "half").touch()
        _ = 1 / 0
    assert not list(tmp_path.iterdir())
    files.write_file(tmp_path / "in" / "a.txt", "first", durable)
    files.write_file(tmp_path / "in" / "a.txt", b"second", durable)
    assert (tmp_path / "in" / "a.txt").read_bytes() == b"second"
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.txt"]


def fill(folder):
    with files.new_folder(folder) as draft:
        (draft / "x").touch()


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("later")
    for name in ("link", "dangling"):
        fill(tmp_path / name)
        assert (tmp_path / name).is_symlink() and (tmp_path / name / "x").is_file()
        with pytest.raises(FileExistsError, match="is not empty"):
            fill(tmp_path / name)
    (tmp_path / "a.txt").symlink_to("real/a.txt")
    files.write_file(tmp_path / "a.txt", "x")
    assert (tmp_path / "real" / "a.txt").read_text() == "x"


@pytest.mark.parametrize("odd", ["folder", "fifo", "device"])
def test_what_is_no_file_is_not_replaced(tmp_path, odd):
    ODD[odd][0](tmp_path / "odd")
    with pytest.raises(FileExistsError, match=r"odd|null|zero"):
        files.write_file(tmp_path / "odd", "x")


def test_the_second_of_two_writers_is_told(tmp_path):
    told = pytest.raises(FileExistsError, match="filled by another process in the meantime")
    with told, files.new_folder(tmp_path / "a") as draft:
        (draft / "mine").touch()
        fill(tmp_path / "a")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_second_of_two_writers_may_choose_again(tmp_path):
    names = iter("ab")
    with files.new_folder(lambda: tmp_path / next(names)) as draft:
        (draft / "mine").touch()
        fill(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "mine", "x"]


def test_long_names(tmp_path):
    files.write_file(tmp_path / ("ä" * 120 + ".txt"), "x")
    fill(tmp_path / ("ä" * 127))
    assert len(list(tmp_path.iterdir())) == 2


# === One at a time ===


def hold(folder, ready):
    with locked(folder):
        ready.set()
        signal.pause()


def test_a_lock_is_held_by_a_living_process(tmp_path):
    folder, spawn = tmp_path / "run", multiprocessing.get_context("spawn")
    ready = spawn.Event()
    other = spawn.Process(target=hold, args=(folder, ready))
    other.start()
    assert ready.wait(60)
    told = f"run is in use by another run, process {other.pid}:"
    with pytest.raises(InUse, match=told), locked(folder):
        pass
    with locked(folder, "another.lock"):
        pass
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    assert (folder / ".lock").exists()  # and stale
    for _ in range(2):
        own = f"process {os.getpid()}"
        with locked(folder), pytest.raises(InUse, match=own), locked(folder):
            pass
        assert not list(folder.iterdir())


def test_waiting_for_a_lock(tmp_path):
    outer, waited = locked(tmp_path), []

    def wait():
        waited.append(True)
        outer.__exit__(None, None, None)  # the other ends, and takes its file away

    outer.__enter__()
    with locked(tmp_path, wait=wait), pytest.raises(InUse), locked(tmp_path):
        pass
    assert waited and not list(tmp_path.iterdir())


def test_a_linked_lock_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("precious")
    (tmp_path / ".lock").symlink_to("target")
    with pytest.raises(OSError, match=re.escape(".lock is a link")), locked(tmp_path):
        pass
    assert (tmp_path / "target").read_text() == "precious"


def test_what_is_read_is_not_written_over(tmp_path):
    """Under another name, through a link, or in a folder that is replaced."""
    file, folder = tmp_path / "a.txt", tmp_path / "in"
    file.write_text("a")
    folder.mkdir()
    (folder / "b.txt").write_text("b")
    (tmp_path / "link.txt").symlink_to(file)
    for output, read in [
        (file, f"{folder}/../a.txt"),
        (tmp_path / "link.txt", file),
        (file, tmp_path / "link.txt"),
        (folder, folder / "b.txt"),
    ]:
        with pytest.raises(ValueError, match="written over"):
            files.check_not_read([tmp_path / "new", output], [folder / "no.txt", read])
    files.check_not_read([folder / "c.txt"], [folder, file])
