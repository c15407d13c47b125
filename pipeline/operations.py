"""What happens on a server, counted for Prometheus and written into the access log.

In: connections that open and close, answers, events of sessions; never what was said, nor a token. Out: the text of
`/metrics`, and lines for `accesslog.py`. Knows no socket, and time only as it is told.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psutil
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from surtitle.pipeline.accesslog import AccessLog, Field
from surtitle.pipeline.events import Caption, Event, Gap, SessionEnd, SessionStart

METRICS_TYPE = CONTENT_TYPE_LATEST
"""The content type of what `Operations.metrics` returns."""
LAGS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0, 60.0)
"""Seconds: how late final translations are counted to be."""


@dataclass(slots=True)
class Traffic:
    """Bytes of all connections, without TLS and TCP."""

    received: int = 0
    sent: int = 0
    """Of websockets: messages, without their frames and pings."""


@dataclass(slots=True)
class Visit:
    """One connection of a viewer or a publisher."""

    id: int
    kind: str
    """`viewer`, `publisher`, or `events` (a viewer by server-sent events)."""
    peer: str
    """Its address; a proxy's, behind one."""
    opened: float
    """When it began, by the operations' clock."""
    session: str = ""
    """The room's name, once that is known."""
    token: str = ""
    """What its token is called, if it has one: not the token."""
    code: int = 1000
    """What it is closed with."""


class Operations:
    """One server's."""

    def __init__(self, log: AccessLog | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Count from now on, and write into `log` if there is one; `clock` is in seconds, and never goes back."""
        self.traffic = Traffic()
        self.connections: Callable[[], Mapping[str, int]] = dict
        """Set by the server: how many connections there are, by kind."""
        self._log = log
        self._clock = clock
        self._began = clock()
        self._ids = itertools.count(1)
        self._clocks: dict[str, str] = {}
        self._captions = 0
        self._rates_at = clock()
        self._before = (0, 0, 0)
        self._registry = CollectorRegistry()
        self._registry.register(_Now(self))
        self._captioned = Counter("surtitle_captions", "Captions made.", ["language", "kind"], registry=self._registry)
        self._lag = Histogram(
            "surtitle_lag_seconds",
            "Final captions in the languages wanted: from the end of their words.",
            buckets=LAGS,
            registry=self._registry,
        )
        self._skipped = Counter(
            "surtitle_skipped_audio_seconds", "Audio that was not recognised.", ["why"], registry=self._registry
        )
        self._sessions = Counter("surtitle_sessions", "Sessions that began.", registry=self._registry)
        self._closed = Counter(
            "surtitle_closed", "Connections that ended, by close code.", ["kind", "code"], registry=self._registry
        )
        self._answers = Counter("surtitle_http_answers", "Answers to plain HTTP.", ["status"], registry=self._registry)

    def metrics(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self._registry)

    @property
    def uptime(self) -> float:
        """Seconds since this began."""
        return self._clock() - self._began

    def opened(self, kind: str, peer: str) -> Visit:
        """A viewer or a publisher has connected from `peer`."""
        visit = Visit(next(self._ids), kind, peer, self._clock())
        self._write("open", id=visit.id, kind=kind, peer=peer)
        return visit

    def admitted(self, visit: Visit, session: str, token: str) -> None:
        """It may read or publish in the room `session`, by the token called `token`."""
        visit.session, visit.token = session, token
        self._write("admit", id=visit.id, kind=visit.kind, peer=visit.peer, session=session, token=token)

    def closed(self, visit: Visit) -> None:
        """It is gone."""
        self._closed.labels(visit.kind, visit.code).inc()
        self._write(
            "close",
            id=visit.id,
            kind=visit.kind,
            peer=visit.peer,
            session=visit.session,
            token=visit.token,
            code=visit.code,
            seconds=round(self._clock() - visit.opened, 3),
        )

    def answered(self, method: str | None, path: str | None, status: int, peer: str) -> None:
        """A request from `peer` was answered; `path` is None where there is none of ours, `method` where none was."""
        self._answers.labels(status).inc()
        self._write("request", method=method, path=path, status=status, peer=peer)

    def published(self, event: Event, room: str) -> None:
        """The session in `room` has said `event`."""
        match event:
            case Caption():
                self._captions += 1
                self._captioned.labels(event.language, "final" if event.final else "draft").inc()
                if event.final and event.role == "target" and self._clocks.get(room) == "real":
                    self._lag.observe(event.elapsed - event.end)
            case Gap():
                self._skipped.labels(event.why).inc(event.end - event.start)
            case SessionStart():
                self._clocks[room] = event.clock
                self._sessions.inc()
                languages = {"source": ",".join(event.sources), "targets": ",".join(event.targets)}
                self._write("begin", session=room, run=event.session, clock=event.clock, **languages)
            case SessionEnd():
                self._clocks.pop(room, None)
                self._write("end", session=room, audio_s=round(event.audio, 3), **event.stats)

    def rates(self) -> None:
        """Write down what went through since this was last asked."""
        seconds = max(self._clock() - self._rates_at, 1e-3)
        self._rates_at = self._clock()
        now = (self._captions, self.traffic.received, self.traffic.sent)
        names = ("captions", "received_bytes", "sent_bytes")
        rates = {
            f"{name}_per_s": round((new - old) / seconds, 2)
            for name, new, old in zip(names, now, self._before, strict=True)
        }
        self._before = now
        self._write("rates", **rates, **self.connections())

    def _write(self, event: str, **fields: Field) -> None:
        if self._log is not None:
            self._log.write(event, **fields)


class _Now(Collector):
    """What is looked up when it is asked for."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._process = psutil.Process()

    def collect(self) -> Iterator[Metric]:
        connections = GaugeMetricFamily("surtitle_connections", "Connections that are open.", labels=["kind"])
        for kind, count in self._operations.connections().items():
            connections.add_metric([kind], count)
        yield connections
        traffic = self._operations.traffic
        yield CounterMetricFamily("surtitle_received_bytes", "Bytes from clients.", value=traffic.received)
        yield CounterMetricFamily("surtitle_sent_bytes", "Bytes to clients.", value=traffic.sent)
        yield GaugeMetricFamily("surtitle_uptime_seconds", "Since the server began.", value=self._operations.uptime)
        resident = self._process.memory_info().rss
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory.", value=resident)
