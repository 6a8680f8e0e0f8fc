"""Counts and times, as Prometheus reads them (its text format, version 0.0.4)."""

import threading

TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64)
PREFIX = "bert_tf2_"

# name -> kind, what it is, and of a histogram the upper ends of its buckets
METRICS = {
    "requests_total": ("counter", "Requests, by route and status.", ()),
    "request_seconds": ("histogram", "From a request to its answer, by route.", SECONDS),
    "batch_seconds": ("histogram", "What a graph took for a batch, by model.", SECONDS),
    "batch_rows": ("histogram", "Rows computed at once, by model.", ROWS),
    "batch_requests": ("histogram", "Requests computed at once, by model.", ROWS),
    "waiting_rows": ("gauge", "Rows that wait to be computed.", ()),
    "in_flight_requests": ("gauge", "Requests that are being answered.", ()),
    "model_version": ("gauge", "The newest version of a model that answers.", ()),
}


class Metrics:
    """All metrics of a server; any thread may add to them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.values = {}  # (name, labels) -> a number, or [counts of buckets, sum]

    def add(self, name, value=1, **labels):
        """Adds to a counter or a gauge."""
        key = (name, tuple(labels.items()))
        with self.lock:
            self.values[key] = self.values.get(key, 0) + value

    def set(self, name, value, **labels):
        """Sets a gauge."""
        with self.lock:
            self.values[name, tuple(labels.items())] = value

    def observe(self, name, value, **labels):
        """Counts a value in its bucket of a histogram."""
        ends = METRICS[name][2]
        place = sum(value > end for end in ends)
        key = (name, tuple(labels.items()))
        with self.lock:
            found = self.values.setdefault(key, [[0] * (len(ends) + 1), 0.0])
            found[0][place] += 1
            found[1] += value

    def text(self):
        """All of them in Prometheus's format."""
        with self.lock:
            values = [
                (name, labels, x if not isinstance(x, list) else ([*x[0]], x[1]))
                for (name, labels), x in self.values.items()
            ]
        lines = []
        for name, (kind, about, ends) in METRICS.items():
            lines += [f"# HELP {PREFIX}{name} {about}", f"# TYPE {PREFIX}{name} {kind}"]
            for known, labels, value in values:
                if known == name:
                    lines += _lines(PREFIX + name, labels, value, ends)
        return "\n".join(lines) + "\n"


def _lines(name, labels, value, ends):
    if not isinstance(value, tuple):
        return [f"{name}{_labels(labels)} {value:g}"]
    counts, total = value
    found, count = [], 0
    for end, more in zip([*map(str, ends), "+Inf"], counts, strict=True):
        count += more
        found.append(f"{name}_bucket{_labels((*labels, ('le', end)))} {count}")
    ends = _labels(labels)
    return [*found, f"{name}_sum{ends} {total:.9g}", f"{name}_count{ends} {count}"]


def _labels(labels):
    if not labels:
        return ""
    cells = (f'{name}="{_escaped(str(value))}"' for name, value in labels)
    return "{" + ",".join(cells) + "}"


def _escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
