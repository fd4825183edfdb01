"""A strict reader of Prometheus's text format, version 0.0.4: what is not exactly so is an AssertionError.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|})')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}

Labels = frozenset[tuple[str, str]]


@dataclass
class Metric:
    kind: str
    help: str
    #: By suffix and labels.
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def value(self, suffix: str = "", **labels: str) -> float:
        return self.samples[suffix, frozenset(labels.items())]


def parse(text: str) -> dict[str, Metric]:
    assert text.endswith("\n"), "the last line has no end"
    found: dict[str, Metric] = {}
    name = ""
    said = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, name, said = line.split(" ", 3)
            assert name not in found, f"{name} is there twice"
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == name, "TYPE is not behind its HELP"
            found[name] = Metric(line.split(" ")[3], said)
        else:
            _read(line, name, found[name])
    for name, metric in found.items():
        assert metric.samples, f"{name} has no samples"
        if metric.kind == "histogram":
            _check(name, metric)
        assert (metric.kind == "counter") == name.endswith("_total"), name
    return found


def _read(line: str, name: str, metric: Metric) -> None:
    matched = NAME.match(line)
    assert matched, line
    suffix = matched[0].removeprefix(name)
    assert matched[0].startswith(name), line
    assert suffix in SUFFIXES[metric.kind], line
    place = matched.end()
    labels: dict[str, str] = {}
    if line[place] == "{":
        place += 1
        while True:
            label = LABEL.match(line, place)
            assert label, f"{line} at {place}"
            assert label[1] not in labels, line
            labels[label[1]] = re.sub(r'\\[\\"n]', lambda match: ESCAPES[match[0]], label[2])
            place = label.end()
            if label[3] == "}":
                break
    assert line[place] == " ", line
    key = (suffix, frozenset(labels.items()))
    assert key not in metric.samples, f"{line} is there twice"
    metric.samples[key] = float(line[place + 1 :])


def _check(name: str, metric: Metric) -> None:
    """Buckets grow with their bounds, and the last is all."""
    series: dict[Labels, list[tuple[float, float]]] = {}
    for (suffix, labels), value in metric.samples.items():
        if suffix == "_bucket":
            bound = float(dict(labels)["le"])
            others = frozenset(pair for pair in labels if pair[0] != "le")
            series.setdefault(others, []).append((bound, value))
    for labels, buckets in series.items():
        values = [value for _, value in sorted(buckets)]
        assert values == sorted(values), name
        assert max(bound for bound, _ in buckets) == float("inf"), name
        assert values[-1] == metric.samples["_count", labels], name
        assert metric.samples["_sum", labels] >= 0
