"""The models of a folder, and the versions of each: found, loaded, replaced while others answer."""

import logging
import threading
from pathlib import Path

from bert_tf2.messages import cut, shorten
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.models import Version

LOGGER = logging.getLogger("bert_tf2.serving")


def find(folder):
    """The SavedModels in a folder: {name: {version: folder}}.

    The folder is a model with numbered versions, or holds several such, or is one version itself; a
    SavedModel without a number is version 1. Names that begin with "." are drafts and are skipped.
    """
    folder = Path(folder).expanduser().absolute()
    if (folder / "saved_model.pb").is_file():
        numbered = _is_number(folder.name)
        name = folder.parent.name if numbered else folder.name
        return {name: {int(folder.name) if numbered else 1: folder}}
    if versions := _versions(folder):
        return {folder.name: versions}
    children = sorted(x for x in _children(folder) if not _is_number(x.name))
    found = {x.name: _versions(x) for x in children}
    found |= {x.name: {1: x} for x in children if (x / "saved_model.pb").is_file()}
    return {name: versions for name, versions in found.items() if versions}


def _versions(folder):
    numbered = [x for x in _children(folder) if _is_number(x.name)]
    return {int(x.name): x for x in numbered if (x / "saved_model.pb").is_file()}


def _children(folder):
    if not folder.is_dir():
        return []
    return [x for x in folder.iterdir() if x.is_dir() and not x.name.startswith(".")]


def _is_number(name):
    return name.isascii() and name.isdecimal()


class Repository:
    """The newest versions of all models in a folder.

    Args:
        folder: as of `find`.
        keep: how many versions of a model answer, the newest.

    Attributes:
        models: {name: {version: `Version`}}, replaced and never changed, for any thread to read.
        failed: {name: {version: message}} of what could not be loaded.
    """

    def __init__(self, folder, keep=1):
        self.folder, self.keep = folder, keep
        self.models, self.failed, self.marks = {}, {}, {}
        self.lock = threading.Lock()

    def scan(self):
        """Loads what is new, lets go of what it replaces; -> whether anything has changed.

        A version that cannot be loaded is passed over, with a line in the log, until its files
        change; the ones before it go on answering. So does a model whose folder is gone.
        """
        with self.lock:
            before = self.models
            for name, versions in find(self.folder).items():
                chosen = self._newest(name, versions)
                if chosen and chosen != self.models.get(name):
                    self.models = self.models | {name: chosen}
            return self.models != before

    def _newest(self, name, versions):
        """The newest versions of a model that load: {version: `Version`}."""
        known, chosen, failed = self.models.get(name, {}), {}, {}
        for number in sorted(versions, reverse=True):
            if len(chosen) == self.keep:
                break
            mark, place = _mark(versions[number]), (name, number)
            if self.marks.get(place) != mark:
                self.marks[place] = mark
                found = self._load(name, number, versions[number])
            else:
                found = self.failed.get(name, {}).get(number) or known[number]
            if isinstance(found, str):
                failed[number], found = found, known.get(number)
            if found is not None:
                chosen[number] = found
        self.failed = self.failed | {name: failed}
        for number in known.keys() - chosen.keys() if chosen else ():
            self.marks.pop((name, number), None)
            LOGGER.info("replaced", extra={"model": name, "version": number})
        return chosen or known

    def _load(self, name, number, folder):
        """A `Version`, or what is wrong with it, a str; either is logged."""
        said = {"model": name, "version": number}
        try:
            found = Version(name, number, folder)
        except Exception as error:  # whatever is wrong with it, others go on answering
            message = cut(str(error), 400) or type(error).__name__
            LOGGER.error("not loaded", extra=said | {"reason": message})
            return message
        LOGGER.info("loaded", extra=said | {"seconds": round(found.seconds, 2)})
        return found

    def version(self, name, number=None):
        """A `Version`; the newest where no number is given. Refused: 404."""
        versions = self.models.get(name)
        if versions is None:
            known = ", ".join(sorted(self.models)) or "none"
            raise Refused(404, f"There is no model {shorten(name)}. There are: {known}")
        number = max(versions) if number is None else number
        if number not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise Refused(404, f"{name} has no version {number} that answers. It has: {known}")
        return versions[number]

    def one_for(self, tasks, name=None):
        """The newest version of the model that is named, or of the only one of such tasks.

        Args:
            tasks: names of task classes, such as ("SentenceEncoder",).
            name: of a model; None for the only one.

        Raises:
            Refused: 404 there is none; 422 it is of another task, or there are several.
        """
        words = " or ".join(tasks)
        if name is not None:
            found = self.version(name)
            if found.task not in tasks:
                raise Refused(422, f"{name} must be a {words} here. Received: {_a(found)}")
            return found
        every = [self.version(name) for name in self.models]
        fit = [version for version in every if version.task in tasks]
        if not fit:
            raise Refused(404, f"No model here is a {words}. There are: {_listed(every)}")
        if len(fit) > 1:
            raise Refused(422, f'Several models can: say which, "model": … of {_listed(fit)}')
        return fit[0]


def _a(version):
    return f"a {version.task}" if version.task else "a SavedModel whose task nothing tells"


def _listed(versions):
    return ", ".join(f"{v.name} ({_a(v)})" for v in versions) or "none"


def _mark(folder):
    """What tells whether a version's files are the same as before."""
    files = sorted(x for x in folder.rglob("*") if x.is_file())
    stats = ((str(x.relative_to(folder)), x.stat()) for x in files)
    return tuple((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in stats)
