"""All visitors' sessions, in memory only: when they begin and end."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from dan_model.ui.gradio_sessions import IDLE_SECONDS, MAX_SESSIONS
from dan_model.ui.session import Session

REMEMBERED = 10_000  # sessions that ended: their pages begin empty when they come back


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
        self._opening_key = secrets.token_urlsafe()

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_hash: str | None) -> Session:
        """The session with this hash; a new one if there is none."""
        key = session_hash or ""
        with self._lock:
            self.end_idle()
            if key not in self._sessions:  # a page that comes back after its session ended shows a photo that is gone
                while len(self._sessions) >= MAX_SESSIONS:
                    self.end(next(iter(self._sessions)))
                self._sessions[key] = Session(expired=True) if key in self._ended else self.start()
            return self._active(key)

    def opening(self) -> Session:
        """What every page shows until it is used, under one key for all. It belongs to no visitor, and is not kept."""
        session = self.start()
        session.key = self._opening_key
        return session

    def find(self, key: str) -> Session | None:
        """The session with this key, whose visitor is active now; also `opening`; None where it has ended."""
        sent = key.encode("utf-8", "backslashreplace")
        if secrets.compare_digest(self._opening_key.encode(), sent):
            return self.opening()
        with self._lock:
            named = (name for name, one in self._sessions.items() if secrets.compare_digest(one.key.encode(), sent))
            name = next(named, None)
            return None if name is None else self._active(name)

    def end_idle(self) -> None:
        """End the sessions of visitors who have been inactive for too long."""
        with self._lock:
            now = self._clock()
            for name, session in list(self._sessions.items()):
                if now - session.last_seen > IDLE_SECONDS:
                    self.end(name)

    def end(self, session_hash: str | None) -> None:
        """Delete a session and stop its requests."""
        with self._lock:
            session = self._sessions.pop(session_hash or "", None)
            if session is not None:
                session.stop()
                self._ended.append(session_hash or "")

    def _active(self, name: str) -> Session:
        """A session whose visitor is active now."""
        self._sessions.move_to_end(name)
        self._sessions[name].last_seen = self._clock()
        return self._sessions[name]
