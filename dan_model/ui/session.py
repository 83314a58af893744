"""What the page stores of each visitor, in memory only, and which of a visitor's requests may still run."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dan_model.explain.attributions import Attribution
from dan_model.explain.cache import Cache
from dan_model.ui.film_run import ExplainedFilm
from dan_model.ui.state import FIRST_WEIGHTS, SMOOTH, THIS_FACE, KeptFace, PageState, UploadedPhoto, Weights

CACHE_BYTES = 24_000_000  # of attributions, for each session: about 100


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
        shown: The number of the request whose first results are shown.
        drawn_tabs: Tabs whose figures were drawn for it.
        settings: How faces are explained and drawn, as chosen on the page: values of `request.Components.settings`.
        kept_face: The face that others are compared with, or None.
        film: The visitor's film, or None.
        cache: The attributions computed for this visitor; deleted with the session.
        key: Names the session where Gradio's own hash is not at hand; it cannot be guessed.
        requests: The number of requests so far.
        photos: The number of photos so far.
        films: The number of films so far.
        reading: Whether a photo is being read: what is asked for meanwhile is explained when it is there.
        stopped: Whether Stop was pressed after the last request.
        expired: Whether the visitor's session before this one has ended, while their page still shows a face of it.
        last_seen: When the visitor was last active, in seconds of a steady clock.
    """

    weights: Weights = FIRST_WEIGHTS
    photo: UploadedPhoto | None = None
    state: PageState | None = None
    smooth: bool = True
    shared: bool = True
    compared: str = THIS_FACE
    shown: int = 0
    drawn_tabs: frozenset[str] = frozenset()
    settings: tuple[Any, ...] = ()
    kept_face: KeptFace | None = None
    film: ExplainedFilm | None = None
    cache: Cache[Attribution] = field(default_factory=lambda: Cache(CACHE_BYTES))
    key: str = field(default_factory=secrets.token_urlsafe)
    requests: int = 0
    photos: int = 0
    films: int = 0
    reading: bool = False
    stopped: bool = False
    expired: bool = False
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
            self.reading, self.expired = True, False
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

    def set_settings(self, settings: Sequence[Any]) -> None:
        """Choose how faces are explained and drawn."""
        self.settings = tuple(settings)
        *_, drawing, self.shared = settings
        self.smooth = drawing == SMOOTH

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
