"""Attention and attributions -> pages for people: one file of HTML, which loads nothing.

Letters: K layers, N heads, L length, k weights that are kept of each row.
"""

import base64
import hashlib
import html
import json
from pathlib import Path

import numpy as np

from bert_tf2.analysis.reading import SPACE
from bert_tf2.files import write_file
from bert_tf2.messages import cut, shorten

HERE = Path(__file__).parent
MOST = 3_300_000  # bytes of weights in a page, which are a third more as text: 4.4 MB
FRAME, SHORT = 760, 280  # pixels of height in a notebook, with attention and without


class View:
    """A page. In a notebook it shows itself.

    Attributes:
        html: str, the whole document, with style, script and data inside.
    """

    def __init__(self, html, height=FRAME):
        self.html, self.height = html, height

    def __repr__(self):
        return f"View({len(self.html) // 1000} kB of HTML; .save(path) writes it)"

    def save(self, path):
        """Writes the page to a file, whole or not at all. -> its `Path`"""
        path = Path(path)
        write_file(path, self.html.encode("utf-8"))
        return path

    def as_frame(self):
        """str, HTML that shows the page within another, on one line as Markdown wants it."""
        inside = html.escape(self.html).replace("\n", "&#10;")
        return (
            f'<iframe srcdoc="{inside}" sandbox="allow-scripts" '
            f'style="width:100%;height:{self.height}px;border:0"></iframe>'
        )

    _repr_html_ = as_frame


def head_view(found, layers=None, heads=None, layer=None):
    """Lines from each token to those that it looks at, for one layer; a colour for each head.

    Layer and heads are chosen on the page; a token that is pointed at shows its own lines alone.

    Args:
        found: an `Attention`.
        layers, heads: lists of numbers from 0, of those that are in the page. Default: all.
        layer: the layer that is shown first. Default: the first of them.

    Returns:
        a `View`, at most 5 MB: of long texts each row keeps its largest weights.

    Raises:
        ValueError: a layer or a head that there is not, or none at all.

    Examples:
        >>> vec = bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2")
        >>> page = bert_tf2.head_view(bert_tf2.attention(vec, "the tea is hot"), layers=[0, 1])
        >>> page.save("heads.html").name
        'heads.html'
    """
    return view(found, None, layers, heads, layer, maps=False)


def model_view(found, layers=None, heads=None):
    """All heads at once, a small map each; the one that is chosen is shown with lines below.

    In a map rows look at columns, in the order of the text.

    Args:
        found: an `Attention`.
        layers, heads: lists of numbers from 0, of those that are shown. Default: all.

    Returns:
        a `View`, at most 5 MB: of long texts each row keeps its largest weights.

    Raises:
        ValueError: a layer or a head that there is not, or none at all.

    Examples:
        >>> vec = bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2")
        >>> page = bert_tf2.model_view(bert_tf2.attention(vec, "the tea is hot"))
        >>> len(page.html) < 5_000_000
        True
    """
    return view(found, None, layers, heads, 0, one_head=True)


def coloured_text(found):
    """What speaks for an answer and what against it, as colours of the text.

    Args:
        found: an `Attribution`.

    Returns:
        a `View`.
    """
    return view(None, found)


def view(
    found=None, attributed=None, layers=None, heads=None, layer=None, maps=True, one_head=False
):
    """The page of an `Attention`, an `Attribution` (of the same text), or both: a `View`."""
    parts, data, pieces = [], {}, (found or attributed).pieces
    title = heading = cut(_joined(pieces, (found or attributed).special), 100)
    if attributed is not None:
        asked = f"What speaks for: {attributed.target}"
        second = "" if found is None else f"<h2>{html.escape(asked)}</h2>"
        heading = asked if found is None else heading  # its words are the text
        parts.append(f"<section>{second}{_coloured(attributed)}</section>")
    if found is not None:
        data, about = _weights(found, layers, heads)
        shown = data["layers"][:1] if layer is None else _chosen([layer], data["layers"], "layer")
        first = data["layers"].index(shown[0])
        count = 1 if one_head else len(data["heads"])
        data["first"] = {"layer": first, "heads": [*range(count)]}
        if maps:
            parts.append(
                "<section><h2>All heads</h2><p>A row a layer, a column a head. In each map a row "
                "looks at its columns, in the order of the text: the stronger the colour, the "
                'more. Choose one to see its lines.</p><div id="maps"></div></section>'
            )
        parts.append(
            "<section><h2>What each token looks at</h2><p>The tokens on the left look at those on "
            f"the right. Point at one to see its own lines. {about}</p>"
            '<div id="lines"></div></section>'
        )
    return page(title, parts, data, heading)


def _joined(pieces, special):
    """Pieces as a text, without the special ones."""
    words = [
        piece if piece.startswith(("##", SPACE)) else f"{SPACE}{piece}"
        for piece, is_special in zip(pieces, special, strict=True)
        if not is_special
    ]
    return "".join(word.removeprefix("##") for word in words).replace(SPACE, " ").strip()


def page(title, parts, data, heading=None):
    """A `View` of sections of HTML, and of data for the script; the heading may be its title."""
    script = (HERE / "page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    values = {
        "policy": f"'sha256-{digest}'",
        "title": html.escape(title),
        "heading": html.escape(heading or title),
        "body": "\n".join(parts),
        "data": json.dumps(data).replace("<", "\\u003c"),
        "script": script,
    }
    return View(_filled(values), FRAME if data else SHORT)


def _filled(values):
    """The page with each `{name}` replaced, in one pass: what is put in is not looked at."""
    text = (HERE / "page.html").read_text("utf-8")
    for name in values:
        text = text.replace(f"{{{name}}}", f"\0{name}\0", 1)
    parts = text.split("\0")
    return "".join(values.get(part, part) if i % 2 else part for i, part in enumerate(parts))


# === Coloured text ================================================================================


def _coloured(found):
    """Each piece in the colour of what it adds, first, so that a small frame shows it."""
    most = np.abs(found.scores).max(initial=0.0) or 1.0
    spans = []
    for i, (piece, score) in enumerate(zip(found.pieces, found.scores, strict=True)):
        kind = "special" if found.special[i] else "for" if score > 0 else "against"
        told = f"{score:+.3f}"
        spans.append(
            f'<span class="{kind}" style="--share:{abs(score) / most:.3f}" title="{told}">'
            f"{html.escape(piece)}</span>"
        )
        if found.second == i + 1:
            spans.append("<br>")
    return (
        f'<p class="text">{" ".join(spans)}</p>'
        '<p><span class="key for"></span>speaks for it <span class="key against"></span>speaks '
        f"against it, up to {most:.3f}</p>"
        f"<p>{found.output:.3f} for this text, {found.blank:.3f} for a blank one: the words add "
        f"{found.scores.sum():+.3f}. Integrated gradients of {found.steps} steps; "
        f"{abs(found.missing):.1g} is not accounted for.</p>"
    )


# === Weights ======================================================================================


def _weights(found, layers, heads):
    """What the page draws: bytes of the weights, 255 for 1; and what is to be said of them."""
    count_layers, count_heads, length, _ = found.weights.shape
    layers = _chosen(layers, [*range(count_layers)], "layer")
    heads = _chosen(heads, [*range(count_heads)], "head")
    weights = found.weights[np.ix_(layers, heads)]  # (K, N, L, L)
    data = {
        "pieces": list(found.pieces),
        "special": [int(x) for x in found.special],
        "second": found.second,
        "layers": layers,
        "heads": heads,
        "kept": length,
        "columns": None,
    }
    about = ""
    if weights.size > MOST:
        kept = MOST // (3 * len(layers) * len(heads) * length)  # a byte, and two of its column
        if not kept:
            raise ValueError(
                f"{len(layers)} layers of {len(heads)} heads at {length} tokens are too many for a "
                "page: choose `layers` or `heads`."
            )
        columns = np.argpartition(-weights, kept - 1, -1)[..., :kept]
        weights = np.take_along_axis(weights, columns, -1)
        about = (
            f"Of each token its {kept} largest weights are kept: {weights.sum(-1).mean():.0%} of "
            "its attention, as a mean."
        )
        data |= {"kept": kept, "columns": _text(columns.astype("<u2"))}
    return data | {"weights": _text(np.rint(255 * weights).astype("uint8"))}, about


def _text(array):
    return base64.b64encode(array.tobytes()).decode()


def _chosen(given, known, what):
    """Numbers of layers or heads -> the same as a list."""
    numbers = known if given is None else list(given)
    wrong = [x for x in numbers if isinstance(x, bool) or x not in known]
    if wrong or not numbers:
        raise ValueError(
            f"A {what} must be one of {shorten(known)}. Received: {shorten(wrong or numbers)}"
        )
    return [int(x) for x in numbers]
