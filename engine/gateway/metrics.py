"""What is counted, once, at the end of each request; shown as JSON and as Prometheus text."""

from __future__ import annotations

import os
import re
from collections import Counter as Tally
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from engine.gateway.context import Context

# Names of models come from clients where a credential serves any name, fields always do; their
# number is bounded.
MAX_MODELS = 500
MAX_FIELDS = 500
MAX_FIELD_LENGTH = 100
FIELD_STEPS = 3
OTHER = "other"
# Upper bounds in seconds and the names that the JSON gives the ranges below them.
LATENCIES = {0.1: "<100", 0.5: "100-499", 1.0: "500-999", 5.0: "1000-4999", 30.0: "5000-29999"}
LONGEST = ">=30000"
TOKENS = frozenset(("input", "output", "cache_read", "cache_write", "reasoning"))
# Generations that are counted here before the library counts them.
UNTOLD = 100
# A client that leaves is no failure of the gateway or of an upstream.
NO_ERROR = ("gone",)


_POSITION = re.compile(r"\[[0-9]+\]")


class _Names:
    """The first so many names there were; all later ones are one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def known(self, name: str) -> str:
        if not name or name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


def _field(path: str) -> str:
    """A path without its positions, and without what is deep in a client's own structures."""
    return ".".join(_POSITION.sub("[]", path).split(".")[:FIELD_STEPS])[:MAX_FIELD_LENGTH]


@dataclass(slots=True)
class _Row:
    """What generations of one sort have come to since the library was told; labels as its own."""

    labels: tuple[str, str, str]
    status: int
    seconds: list[float] = field(default_factory=list)
    calls: int = 0
    tokens: dict[str, int] = field(default_factory=dict)


class Metrics:
    """The counters of one gateway; with several workers those of all of them together."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        labels = ("format", "provider", "model")
        self._requests = Counter(
            "ai_proxy_requests", "Generations asked for", (*labels, "status"), registry=own
        )
        self._errors = Counter(
            "ai_proxy_errors", "Generations that failed", ("format", "kind"), registry=own
        )
        self._tokens = Counter(
            "ai_proxy_tokens",
            "Tokens, cached and thinking ones included",
            (*labels, "kind"),
            registry=own,
        )
        self._calls = Counter(
            "ai_proxy_upstream_calls",
            "Upstream calls, retries included",
            ("provider",),
            registry=own,
        )
        self._losses = Counter(
            "ai_proxy_losses",
            "Fields lost in translation",
            ("format", "provider", "field"),
            registry=own,
        )
        self._latency = Histogram(
            "ai_proxy_latency_seconds",
            "Time to the end of the answer",
            ("format",),
            buckets=tuple(LATENCIES),
            registry=own,
        )
        self._first = Histogram(
            "ai_proxy_first_event_seconds",
            "Time to the first event of a streamed answer",
            ("format",),
            buckets=tuple(LATENCIES),
            registry=own,
        )
        self._models = _Names(MAX_MODELS)
        self._fields = _Names(MAX_FIELDS)
        self._rows: dict[tuple[str, str, str, int], _Row] = {}
        self._untold: list[_Row] = []
        self._number = 0
        self._most = UNTOLD
        self._found: dict[tuple[Any, tuple[str, ...]], Any] = {}
        self._shown = own
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            # Whoever asks another process is to see this one's counts, too.
            self._most = 1
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown)  # type: ignore[no-untyped-call]

    def observe(self, context: Context) -> None:
        """Count a generation that has ended."""
        format, provider = context.format or "", context.provider or ""
        model = self._models.known(context.upstream_model or "")
        key = (format, provider, model, context.status)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _Row(key[:3], context.status)
        if not row.seconds:
            self._untold.append(row)
        row.seconds.append(context.elapsed)
        row.calls += context.attempts
        if context.usage:
            tokens = row.tokens
            for kind, count in context.usage.items():
                if kind in TOKENS and isinstance(count, int) and count > 0:
                    tokens[kind] = tokens.get(kind, 0) + count
        if context.first_event is not None:
            self._at(self._first, format).observe(context.first_event)
        if context.error is not None and context.error not in NO_ERROR:
            self._at(self._errors, format, context.error).inc()
        for loss in context.losses:
            name = self._fields.known(_field(loss.path))
            self._at(self._losses, format, provider, name).inc()
        self._number += 1
        if self._number >= self._most:
            self._tell()

    def _tell(self) -> None:
        """Tell the library what it has not been told: to add a sum costs it as much as a one."""
        for row in self._untold:
            format, provider, _ = row.labels
            self._at(self._requests, *row.labels, str(row.status)).inc(len(row.seconds))
            latency = self._at(self._latency, format)
            for seconds in row.seconds:
                latency.observe(seconds)
            if row.calls:
                self._at(self._calls, provider).inc(row.calls)
            for kind, count in row.tokens.items():
                self._at(self._tokens, *row.labels, kind).inc(count)
            row.seconds.clear()
            row.tokens.clear()
            row.calls = 0
        self._untold.clear()
        self._number = 0

    def _at(self, metric: Any, *labels: str) -> Any:
        """A metric at these labels; the library looks for it longer than it counts."""
        found = self._found.get((metric, labels))
        if found is None:
            found = self._found[metric, labels] = metric.labels(*labels)
        return found

    def text(self) -> tuple[bytes, str]:
        """Prometheus' text and its content type."""
        self._tell()
        return generate_latest(self._shown), CONTENT_TYPE_LATEST

    def document(self) -> dict[str, Any]:
        """The sums as JSON data."""
        self._tell()
        tally: Tally[str] = Tally()
        models: Tally[str] = Tally()
        providers: Tally[str] = Tally()
        latencies: Tally[str] = Tally()
        for name, labels, value in _samples(self._shown):
            count = int(value)
            if name == "ai_proxy_requests_total":
                tally["requests"] += count
                models[labels["model"]] += count
                providers[labels["provider"]] += count
            elif name == "ai_proxy_errors_total":
                tally["errors"] += count
            elif name == "ai_proxy_tokens_total":
                tally[labels["kind"]] += count
            elif name == "ai_proxy_latency_seconds_bucket":
                latencies[labels["le"]] += count
        return {
            "total_requests": tally["requests"],
            "total_errors": tally["errors"],
            "total_input_tokens": tally["input"],
            "total_output_tokens": tally["output"],
            "latency_ms": _ranges(latencies),
            "by_model": {name: count for name, count in sorted(models.items()) if name},
            "by_provider": {name: count for name, count in sorted(providers.items()) if name},
        }


def _samples(registry: Collector) -> list[tuple[str, dict[str, str], float]]:
    return [
        (sample.name, sample.labels, sample.value)
        for family in registry.collect()
        for sample in family.samples
    ]


def _ranges(cumulative: Tally[str]) -> dict[str, int]:
    """Prometheus' buckets count everything below; the JSON what is between."""
    ranges: dict[str, int] = {}
    below = 0
    for bound, name in LATENCIES.items():
        count = cumulative[str(bound)]
        ranges[name], below = count - below, count
    ranges[LONGEST] = cumulative["+Inf"] - below
    return ranges


def wants_text(accept: str) -> bool:
    """Whether an Accept header asks for Prometheus' text, as scrapers do."""
    return "text/plain" in accept or "openmetrics" in accept
