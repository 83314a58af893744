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
        key, now = session_hash or "", self._clock()
        with self._lock:
            for other, session in list(self._sessions.items()):
                if now - session.last_seen > IDLE_SECONDS:
                    self.end(other)
            if key not in self._sessions:  # a page that comes back after its session ended shows a photo that is gone
                while len(self._sessions) >= MAX_SESSIONS:
                    self.end(next(iter(self._sessions)))
                self._sessions[key] = Session(expired=True) if key in self._ended else self.start()
            self._sessions.move_to_end(key)
            self._sessions[key].last_seen = now
            return self._sessions[key]

    def opening(self) -> Session:
        """What every page shows until it is used, under one key for all. It belongs to no visitor, and is not kept."""
        session = self.start()
        session.key = self._opening_key
        return session

    def find(self, key: str) -> Session | None:
        """The session with this key, also `opening`; None where it has ended."""
        sent = key.encode("utf-8", "backslashreplace")
        if secrets.compare_digest(self._opening_key.encode(), sent):
            return self.opening()
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
