"""What Gradio keeps of each session by itself, and when it is deleted.

Gradio stores the last value of every component for each of 10,000 sessions, whether their visitors have left or not: of
this page, the pictures of a face, about three megabytes. It keeps answers that nobody fetched as well.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import gradio as gr

IDLE_SECONDS = 900.0  # after which a session is deleted
MAX_SESSIONS = 200  # of visitors and callers; above, the one that was inactive for longest is deleted


class GradioSessions:
    """Notes when each session was active, and deletes what Gradio keeps of it.

    Args:
        blocks: The page.
        clock: Returns the seconds of a steady clock.
    """

    def __init__(self, blocks: gr.Blocks, clock: Callable[[], float] = time.monotonic) -> None:
        self._blocks, self._clock = blocks, clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.RLock()

    def note(self, key: str) -> None:
        """A session is active now; those that are idle, or too many, are deleted."""
        with self._lock:
            self._seen[key] = self._clock()
            self._seen.move_to_end(key)
            while len(self._seen) > MAX_SESSIONS:
                self.forget(next(iter(self._seen)))
        self.end_idle()

    def end_idle(self) -> None:
        """Delete those that have been inactive for too long."""
        with self._lock:
            while self._seen and self._idle(next(iter(self._seen))):
                self.forget(next(iter(self._seen)))

    def forget_values(self, key: str) -> None:
        """Delete the values of a session's components: a later event begins with those of the page."""
        holder = self._blocks.state_holder
        holder.session_data.pop(key, None)
        holder.time_last_used.pop(key, None)

    def forget(self, key: str) -> None:
        """Delete all of a session, also answers that were not fetched.

        Their empty queue stays: an event that still runs, or a connection that is just being closed, asks for it.
        """
        with self._lock:
            self._seen.pop(key, None)
        self.forget_values(key)
        waiting = self._blocks._queue.pending_messages_per_session.get(key)
        while waiting is not None and not waiting.empty():
            waiting.get_nowait()

    def _idle(self, key: str) -> bool:
        return self._clock() - self._seen[key] > IDLE_SECONDS
