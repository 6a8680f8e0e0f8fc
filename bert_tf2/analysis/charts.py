"""What the heads of a model do, as one page of charts (Clark et al. 2019).

Letters: K layers, N heads.
"""

import html

from bert_tf2.analysis import measures
from bert_tf2.analysis.views import page
from bert_tf2.reports import svg


def measures_view(found):
    """What the heads of a model do: Clark et al.'s measures of each, and which are alike.

    Args:
        found: an `Attention`, or a list of several, whose means are taken.

    Returns:
        a `View` of five charts: by layer each head's entropy and its shares on "[SEP]" and on the
        next and previous token; and all heads on a plane, near where they look alike.

    Raises:
        ValueError: none, or some of models with other layers and heads.

    Examples:
        >>> vec = bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2")
        >>> found = [bert_tf2.attention(vec, text) for text in texts]
        >>> page = bert_tf2.measures_view(found)
    """
    charts = {"entropy of where it looks, in nats": measures.entropy(found)}
    one = found if hasattr(found, "weights") else found[0]
    end = one.pieces[-1]
    for what, name in {end: f"share on {end}", "next": "on the next token"}.items():
        charts[name] = measures.share_on(found, what)
    charts["on the previous token"] = measures.share_on(found, "previous")
    parts = [
        _chart(name, svg.points({"head": _by_layer(values)}, "layer"))
        for name, values in charts.items()
    ]
    layers, heads, _, _ = one.weights.shape
    places = measures.on_a_plane(measures.distances(found)).reshape(layers, heads, 2)
    alike = {f"layer {i}": list(map(tuple, places[i])) for i in range(layers)}
    told = f"heads that look alike are near: from blue, layer 0, to red, layer {layers - 1}"
    parts.append(_chart(told, svg.points(alike, "")))
    body = f'<style>{_hues(layers)}</style><div class="charts">{"".join(parts)}</div>'
    return page("What the heads do", [body], {})


def _chart(name, drawn):
    return f"<figure><figcaption>{html.escape(name)}</figcaption>{drawn}</figure>"


def _by_layer(values):
    """(K, N) -> a list of (layer, value)."""
    return [(float(i), float(value)) for i, row in enumerate(values) for value in row]


def _hues(count):
    """A colour for each of so many series, from blue by green to red."""
    hues = [round(220 - 220 * i / max(count - 1, 1)) for i in range(count)]
    return "".join(
        f".dot.s{i} {{ fill: hsl({hue} 70% var(--light)); }}" for i, hue in enumerate(hues) if i
    )
