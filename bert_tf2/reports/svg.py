"""Charts as plain SVG: strings of numbers, with no library and no script.

Colours are classes (`s0`, `s1`, …), which a page's style gives for light and dark.
"""

import html
import math

WIDTH, HEIGHT = 480, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34
MOST_POINTS = 500  # of one line


def lines(series, x_name, y_range=None, diagonal=False):
    """Lines in one chart.

    Args:
        series: dict of name to a list of (x, y) floats; what is not finite is left out.
        x_name: what stands below the chart.
        y_range: (lowest, highest), or None for that of the points.
        diagonal: whether to draw x = y.

    Returns:
        str, an `<svg>` element; "" where there is no point.
    """
    return _chart(series, x_name, y_range, diagonal, _line)


def points(series, x_name, y_range=None, diagonal=False):
    """The same with dots that are not joined."""
    return _chart(series, x_name, y_range, diagonal, _dots)


def _chart(series, x_name, y_range, diagonal, draw):
    kept = {
        name: _thinned([pair for pair in pairs if all(map(math.isfinite, pair))])
        for name, pairs in series.items()
    }
    if not any(kept.values()):
        return ""
    every = [pair for pairs in kept.values() for pair in pairs]
    x_axis = ticks(*_range(x for x, _ in every))
    y_axis = ticks(*(y_range or _range(y for _, y in every)))
    if diagonal and y_range is None:
        x_axis = y_axis = ticks(*_range(value for pair in every for value in pair))

    def place(x, y):
        across = (x - x_axis[0]) / (x_axis[-1] - x_axis[0])
        up = (y - y_axis[0]) / (y_axis[-1] - y_axis[0])
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    parts = [_axes(x_axis, y_axis, x_name, place)]
    if diagonal:
        ends = [place(max(x_axis[0], y_axis[0]), max(x_axis[0], y_axis[0]))]
        ends.append(place(min(x_axis[-1], y_axis[-1]), min(x_axis[-1], y_axis[-1])))
        parts.append(f'<polyline class="grid dashed" points="{_joined(ends)}"/>')
    for number, (name, pairs) in enumerate(kept.items()):
        if pairs:
            parts.append(draw(number, name, pairs, place))
    names = ", ".join(kept)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(names)}">'
        f"{''.join(parts)}</svg>"
    )


def _line(number, name, pairs, place):
    dots = _dots(number, name, pairs, place) if len(pairs) <= 40 else ""
    joined = _joined(place(*pair) for pair in pairs)
    return f'<polyline class="line s{number}" points="{joined}"/>{dots}'


def _dots(number, name, pairs, place):
    dots = []
    for x, y in pairs:
        across, down = place(x, y)
        told = html.escape(f"{name}: {short(y)} at {short(x)}")
        dots.append(
            f'<circle class="dot s{number}" cx="{across:.1f}" cy="{down:.1f}" r="3">'
            f"<title>{told}</title></circle>"
        )
    return "".join(dots)


def _axes(x_axis, y_axis, x_name, place):
    parts = []
    for y in y_axis:
        (left, down), (right, _) = place(x_axis[0], y), place(x_axis[-1], y)
        parts.append(f'<polyline class="grid" points="{_joined([(left, down), (right, down)])}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{down + 4:.1f}" class="right">{short(y)}</text>')
    for x in x_axis:
        across, down = place(x, y_axis[0])
        parts.append(f'<text x="{across:.1f}" y="{down + 15:.1f}" class="middle">{short(x)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 4}" class="middle">{html.escape(x_name)}</text>')
    return "".join(parts)


def ticks(lowest, highest, about=5):
    """Round numbers that span a range, evenly: a list of floats, two or more."""
    if highest <= lowest:
        lowest, highest = lowest - 0.5, lowest + 0.5
    rough = (highest - lowest) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def short(value):
    """A number in few characters."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


def _range(values):
    values = list(values)
    return min(values), max(values)


def _thinned(pairs):
    """At most `MOST_POINTS` of them, the last one among these."""
    step = -(-len(pairs) // MOST_POINTS)
    return [*pairs[:-1:step], pairs[-1]] if step > 1 else pairs


def _joined(places):
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
