"""What the page stores of each visitor, in memory only, and which of a visitor's requests may still run."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from dan_model.explain.attributions import Attribution
from dan_model.explain.cache import Cache
from dan_model.ui.film_run import ExplainedFilm
from dan_model.ui.gradio_sessions import IDLE_SECONDS, MAX_SESSIONS
from dan_model.ui.state import FIRST_WEIGHTS, SMOOTH, THIS_FACE, KeptFace, PageState, UploadedPhoto, Weights

CACHE_BYTES = 24_000_000  # of attributions, for each session: about 100
REMEMBERED = 10_000  # sessions that ended: their pages begin empty when they come back


@dataclass(eq=False)
class Session:
    """The state of one visitor. A new request, or Stop, ends the request before it.

    Attributes:
        weights: The weights for the next photo.
        photo: The visitor's photo, or None.
        state: What is shown, or None.
        smooth: Whether maps are drawn smoothly rather than in their native cells.
        shared: Whether all heads have one colour scale.
        compared: What the tiles of the heads show, in `COMPARED`.
        tab: The open tab.
        stale_tabs: Tabs whose figures are not drawn yet for `state`; they are drawn when the tab is opened.
        kept_face: The face that others are compared with, or None.
        film: The visitor's film, or None.
        cache: The attributions computed for this visitor; deleted with the session.
        key: Names the session where Gradio's own hash is not at hand; it cannot be guessed.
        requests: The number of requests so far.
        photos: The number of photos so far.
        films: The number of films so far.
        reading: Whether a photo is being read: what is asked for meanwhile is explained when it is there.
        stopped: Whether Stop was pressed after the last request.
        last_seen: When the visitor was last active, in seconds of a steady clock.
    """

    weights: Weights = FIRST_WEIGHTS
    photo: UploadedPhoto | None = None
    state: PageState | None = None
    smooth: bool = True
    shared: bool = True
    compared: str = THIS_FACE
    tab: str = ""
    stale_tabs: frozenset[str] = frozenset()
    kept_face: KeptFace | None = None
    film: ExplainedFilm | None = None
    cache: Cache[Attribution] = field(default_factory=lambda: Cache(CACHE_BYTES))
    key: str = field(default_factory=secrets.token_urlsafe)
    requests: int = 0
    photos: int = 0
    films: int = 0
    reading: bool = False
    stopped: bool = False
    last_seen: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin_request(self) -> RequestToken:
        """Begin a request; it ends the one before."""
        with self._lock:
            self.requests += 1
            self.stopped = False
            return RequestToken(self, self.requests)

    def begin_photo(self) -> PhotoToken:
        """Begin to read another photo, or none: what was shown of the last one is deleted, its requests end."""
        self.begin_request()
        with self._lock:
            self.photos += 1
            self.photo = self.state = None
            self.reading = True
            return PhotoToken(self, self.photos)

    def begin_film(self) -> None:
        """Begin with another film, or none: the last one is deleted."""
        with self._lock:
            self.films += 1
            self.film = None

    def show(self, state: PageState, token: RequestToken) -> bool:
        """Set what is shown, unless a newer request has begun.

        Returns:
            Whether it was set.
        """
        with self._lock:
            if token.superseded:
                return False
            self.state = state
            return True

    def set_drawing(self, drawing: str, shared: bool) -> None:
        """Choose how maps are drawn, `SMOOTH` or `NATIVE`, and whether all heads have one colour scale."""
        self.smooth, self.shared = drawing == SMOOTH, shared

    def stop(self) -> None:
        """Stop all requests."""
        self.stopped = True


@dataclass(frozen=True, eq=False)
class RequestToken:
    """Says whether one request may still run."""

    session: Session
    number: int

    @property
    def superseded(self) -> bool:
        """Whether a newer request has begun."""
        return self.number != self.session.requests

    @property
    def active(self) -> bool:
        """Whether the request may run on: it is the newest, and was not stopped."""
        return not self.superseded and not self.session.stopped


@dataclass(frozen=True, eq=False)
class PhotoToken:
    """Says whether a photo that is being read is still wanted."""

    session: Session
    number: int

    @property
    def superseded(self) -> bool:
        """Whether a newer photo was chosen."""
        return self.number != self.session.photos

    def finish(self, photo: UploadedPhoto | None) -> bool:
        """Set the photo that was read, or None where none can be used.

        Returns:
            Whether it was set: not where a newer one was chosen meanwhile.
        """
        with self.session._lock:
            if self.superseded:
                return False
            self.session.photo, self.session.reading = photo, False
            return True


class SessionStore:
    """All sessions, in memory only. A session ends when the visitor leaves, or after `IDLE_SECONDS` of inactivity.

    Of more than `MAX_SESSIONS`, the one that was inactive for longest ends.

    Args:
        start: Makes the session of a new visitor.
        clock: Returns the seconds of a steady clock.
    """

    def __init__(self, start: Callable[[], Session] = Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # the one that was active last at the end
        self._lock = threading.RLock()
        self._ended: deque[str] = deque(maxlen=REMEMBERED)
        self.start, self._clock = start, clock

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_hash: str | None) -> Session:
        """The session with this hash; a new one if there is none."""
        key, now = session_hash or "", self._clock()
        with self._lock:
            for other, session in list(self._sessions.items()):
                if now - session.last_seen > IDLE_SECONDS:
                    self.end(other)
            if key not in self._sessions:  # a page that comes back after its session ended shows a photo that is gone
                while len(self._sessions) >= MAX_SESSIONS:
                    self.end(next(iter(self._sessions)))
                self._sessions[key] = Session() if key in self._ended else self.start()
            self._sessions.move_to_end(key)
            self._sessions[key].last_seen = now
            return self._sessions[key]

    def find(self, key: str) -> Session | None:
        """The session with this key; None where it has ended."""
        sent = key.encode("utf-8", "backslashreplace")
        return next(
            (one for one in list(self._sessions.values()) if secrets.compare_digest(one.key.encode(), sent)), None
        )

    def end(self, session_hash: str | None) -> None:
        """Delete a session and stop its requests."""
        with self._lock:
            session = self._sessions.pop(session_hash or "", None)
            if session is not None:
                session.stop()
                self._ended.append(session_hash or "")
