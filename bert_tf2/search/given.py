"""What an index is given, looked at before anything is done with it."""

from collections.abc import Mapping

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import listed
from bert_tf2.text.forms import whole


def queries(found):
    """Queries as a list; a TypeError for what is none."""
    if not hasattr(found, "__iter__") or isinstance(found, bytes | Mapping):
        raise TypeError(
            f"`queries` must be a str, a list of str, or vectors. Received: {shorten(found)} "
            f"({type(found).__name__})"
        )
    return list(found)


def check_reranker(reranker):
    """Raises a TypeError unless it is None, or ranks."""
    if reranker is not None and not callable(getattr(reranker, "rank", None)):
        raise TypeError(
            "`reranker` must be a `Reranker`, such as Reranker.from_preset(…). Received: "
            f"{shorten(reranker)} ({type(reranker).__name__})"
        )


def are_texts(queries):
    """Whether queries are str; ValueError where some are and some are not."""
    are = {isinstance(query, str) for query in queries}
    if len(are) > 1 or any(query is None for query in queries):
        raise ValueError(f"`queries` must be str, or vectors. Received: {shorten(queries)}")
    return are == {True}


def checked_names(names):
    """Names as an index has them, a set; a TypeError for one str."""
    return {sound(name) for name in listed(names, "names")}


def sound(name):
    """A name as UTF-8 can hold it: half of a surrogate pair becomes an escape, `\\udce9`."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def check_sources(sources, texts):
    """Raises a ValueError unless there is a source, or None, for each text."""
    if sources is not None and len(sources) != len(texts):
        raise ValueError(f"`sources` must be one a text, {len(texts)}. Received: {len(sources)}")


def texts_and_names(texts, names=None, first=0):
    """Texts and a name for each, as UTF-8 can hold them: two lists of str.

    Args:
        names: default: the texts' numbers, from `first` on.

    Raises:
        ValueError: no texts, or not a name for each, or what is no str.
        TypeError: one str in the place of a list.
    """
    texts = listed(texts, "texts")
    names = range(first, first + len(texts)) if names is None else listed(names, "names")
    names = [str(name) for name in names] if isinstance(names, range) else names
    if not texts or len(names) != len(texts):
        raise ValueError(
            "`texts` must be one or more, with a name each. Received: "
            f"{len(texts)} texts and {len(names)} names"
        )
    if strange := [text for text in (*texts, *names) if not isinstance(text, str)]:
        raise ValueError(f"`texts` and `names` must be str. Received: {shorten(strange[0])}")
    # A text is what `encode` has of it; names stay apart from each other.
    return list(map(whole, texts)), list(map(sound, names))
