"""Captions posted to Zoom and YouTube: what is sent, in which order, and when once more. No I/O.

In: final captions, the time, and how each request went. Out: one request at a time, or how long to wait. A service
that fails, or is slow, holds up nobody: captions wait in a short queue, the oldest are left out where it is full or
they are of no use any more, and how many is said. A caption keeps its number while its request is made again, so none
is shown twice and all stay in order.

The addresses are secrets, as whoever has one can post: they are in no message and no `repr`.

Zoom: <https://support.zoom.us/hc/en-us/articles/115002212983>; YouTube: <https://support.google.com/youtube/answer/6077032>.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from surtitle.pipeline.errors import UsageError
from surtitle.pipeline.events import Caption
from surtitle.pipeline.protocol import clean_text
from surtitle.pipeline.subtitles import tagless

QUEUE = 30
"""Captions that wait, at most: a minute and a half of speech."""
FRESH = 50.0
"""Seconds after which a caption is not posted any more. YouTube takes none that was said more than 60 ago."""
FIRST_RETRY, LAST_RETRY = 0.5, 8.0
"""Seconds until a request is made again: after the first failure, and at most; twice as long each time."""


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One HTTP request; its body is UTF-8 text."""

    method: Literal["GET", "POST"]
    url: str = field(repr=False)
    body: str = ""


# Where the country has another code than its language. Zoom's own list has jp-JP.
# fmt: off
_COUNTRIES = {
    "ar": "ar-SA", "ca": "ca-ES", "cs": "cs-CZ", "da": "da-DK", "el": "el-GR", "en": "en-US", "he": "he-IL",
    "hi": "hi-IN", "ja": "jp-JP", "ko": "ko-KR", "sv": "sv-SE", "uk": "uk-UA", "vi": "vi-VN", "zh": "zh-CN",
}
# fmt: on


@dataclass(frozen=True, slots=True)
class Zoom:
    """A meeting's caption address ("API token")."""

    url: str = field(repr=False)
    language: str
    """ISO 639-1."""

    def __str__(self) -> str:
        return f"Zoom ({self.language})"

    def post(self, number: int, text: str, said: datetime) -> ServiceRequest:
        """The text alone, in the order of the numbers; Zoom has no use for the time."""
        language = _COUNTRIES.get(self.language, f"{self.language}-{self.language.upper()}")
        return ServiceRequest("POST", f"{_extended(self.url)}seq={number}&lang={language}", text)

    def ask(self) -> ServiceRequest:
        """What the last number was that Zoom took."""
        parts = urlsplit(self.url)
        return ServiceRequest("GET", urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/seq")))


@dataclass(frozen=True, slots=True)
class YouTube:
    """A stream's captions ingestion address."""

    url: str = field(repr=False)
    language: str
    """ISO 639-1."""

    def __str__(self) -> str:
        return f"YouTube ({self.language})"

    def post(self, number: int, text: str, said: datetime) -> ServiceRequest:
        """When it was said, in UTC to the millisecond, and the text, in which `<br>` would break the line."""
        clock = said.isoformat(timespec="milliseconds").removesuffix("+00:00")
        return ServiceRequest(
            "POST", f"{_extended(self.url)}seq={number}", f"{clock} region:reg1#cue1\n{tagless(text)}\n"
        )

    def ask(self) -> None:
        """YouTube does not say which numbers it took."""


Service = Zoom | YouTube


def _extended(url: str) -> str:
    return url + ("&" if "?" in url else "?")


def parse_service(kind: type[Zoom] | type[YouTube], given: str) -> Service:
    """`de=https://...` is a service for German. Raises UsageError, which does not show the address."""
    language, _, url = given.partition("=")
    if not (language.isalpha() and _is_address(url)):
        raise UsageError(f"got no caption address for {kind.__name__}, expected LANG=URL such as de=https://...")
    return kind(url, language.lower())


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:  # a port that is no number
        return False


@dataclass(frozen=True, slots=True)
class _Post:
    text: str
    said: datetime
    came: float
    """By the clock of `Outbox`, in seconds."""


class Outbox:
    """The captions for one service: `next` says what to do now, and `answered` or `failed` how it went."""

    def __init__(self, service: Service, *, first_retry: float = FIRST_RETRY, last_retry: float = LAST_RETRY) -> None:
        """`first_retry` and `last_retry` are the shortest and the longest wait after a failure, in seconds."""
        self.service = service
        self._retries = first_retry, last_retry
        self.posted = 0
        """Captions that the service took."""
        self.left_out = 0
        """Captions that were too old, or too many."""
        self._queue: deque[_Post] = deque()
        self._number = 1
        self._asking = service.ask() is not None  # another program, or this one before, may have posted
        self._tells = False  # it has answered the question
        self._in_flight = False
        self._sent = False  # the first in the queue has its number
        self._uncertain = False  # and may have arrived
        self._failures = 0
        self._retry_at = 0.0

    def __len__(self) -> int:
        return len(self._queue)

    def push(self, caption: Caption, utc: datetime, now: float) -> None:
        """Take a final caption that is being sent.

        Args:
            caption: One of the session; what is not for this service is passed over.
            utc: The time, as people have it.
            now: The time in seconds, by the clock that `next` is asked with.
        """
        text = " ".join(clean_text(caption.text).split())
        if not (caption.final and caption.language == self.service.language and text):
            return
        self._queue.append(_Post(text, utc - timedelta(seconds=caption.elapsed - caption.start), now))
        if len(self._queue) > QUEUE:
            self._leave_out(1 if self._sent else 0)

    def next(self, now: float) -> ServiceRequest | float | None:
        """The request to make, the seconds to wait before asking again, or None until something is pushed."""
        assert not self._in_flight, "the request before was not answered yet"
        will_know = self._uncertain and self._tells
        while self._queue and not will_know and now - self._queue[0].came > FRESH:
            self._leave_out(0)
        if not self._queue:
            return None
        if now < self._retry_at:
            return self._retry_at - now
        self._in_flight = True
        if self._asking and (request := self.service.ask()) is not None:
            return request
        self._sent = True
        return self.service.post(self._number, self._queue[0].text, self._queue[0].said)

    def answered(self, status: int, body: bytes, now: float) -> str | None:
        """The service answered; what a person should be told, if something changed."""
        if self._asking:
            return self._told(status, body, now)
        if 200 <= status < 300:
            self._number += 1
            self._took()
            return self._recovered()
        if not _refuses(status):
            self._uncertain = True
        self._sent = self._uncertain  # what certainly did not arrive leaves its number to another
        return self._failed(f"it answered {status}", now)

    def failed(self, why: str, now: float) -> str | None:
        """No answer came, for a reason in a few words without the address."""
        self._uncertain = self._sent
        return self._failed(why, now)

    def _told(self, status: int, body: bytes, now: float) -> str | None:
        last = body.strip()
        if not (200 <= status < 300 and last.isdigit()):
            if self._tells or not _refuses(status):
                return self._failed(f"it answered {status}", now)
            self._in_flight = self._asking = False  # it may never tell: the count goes on as it is
            return None
        arrived = self._uncertain and int(last) >= self._number
        self._number = int(last) + 1
        self._tells = True
        self._in_flight = self._asking = self._sent = self._uncertain = False
        if not arrived:
            return None
        self._took()
        return self._recovered()

    def _took(self) -> None:
        self._queue.popleft()
        self.posted += 1
        self._in_flight = self._sent = self._uncertain = False

    def _failed(self, why: str, now: float) -> str | None:
        self._in_flight = False
        self._asking = self.service.ask() is not None
        shortest, longest = self._retries
        self._retry_at = now + min(shortest * 2 ** min(self._failures, 10), longest)
        self._failures += 1
        return f"{self.service} is not taking captions ({why}); trying again" if self._failures == 1 else None

    def _recovered(self) -> str | None:
        failures, self._failures = self._failures, 0
        return f"{self.service} is taking captions again; {self.left_out} were dropped" if failures else None

    def _leave_out(self, place: int) -> None:
        if place == 0 and self._sent:
            self._number += 1
            self._sent = self._uncertain = False
        del self._queue[place]
        self.left_out += 1


def _refuses(status: int) -> bool:
    """Whether an answer says that nothing was taken; others may have been lost on the way back."""
    return 400 <= status < 500 and status != 408
