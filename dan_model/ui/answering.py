"""Blocks of Gradio that answer every event in words, and keep nothing of a session that ended."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.exceptions import Error as GradioError
from gradio.state_holder import SessionState

from dan_model.texts import translate as _
from dan_model.ui.gradio_sessions import GradioSessions

UNANSWERED = _("This request has another form than the page sends, or an unforeseen error: it was not answered.")
log = logging.getLogger(__name__)


class AnsweringBlocks(gr.Blocks):
    """Blocks whose events answer in words whatever they are sent: too few arguments, values of other kinds.

    What Gradio keeps of a session is deleted when its visitor leaves, its call is answered, or it is idle.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = GradioSessions(self)
        self.idle: list[Callable[[], None]] = [self.kept.end_idle]
        """What ends the sessions of visitors who have been inactive for too long."""

    def end_idle(self, every: float) -> None:
        """End idle sessions from now on every so many seconds, also where nobody sends anything."""

        def repeat() -> None:
            while True:
                time.sleep(every)
                for end in self.idle:
                    end()

        threading.Thread(target=repeat, name="idle", daemon=True).start()

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Refuse too few arguments.

        Raises:
            gr.Error: In one line, which says how many are needed.
        """
        needed = len(block_fn.inputs)
        if not isinstance(inputs, list) or len(inputs) < needed:
            given = len(inputs) if isinstance(inputs, list) else "none"
            raise gr.Error(f"This call needs {needed} arguments and got {given}.", print_exception=False)

    async def process_api(self, block_fn: BlockFunction | int, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run an event; whatever goes wrong unforeseen becomes one line.

        Raises:
            gr.Error: The handler refused the request, or it could not be answered.
        """
        try:
            return await super().process_api(block_fn, *args, **kwargs)
        except (StopIteration, StopAsyncIteration):
            raise
        except GradioError as error:
            error.print_exception = False  # a refusal in words, ours or a component's, needs no trace
            raise
        except Exception as error:
            log.error("An event was not answered: %s", place_of(error))
            raise gr.Error(UNANSWERED, print_exception=False) from None
        finally:
            self._after(block_fn, kwargs.get("session_hash"), queued=kwargs.get("event_id") is not None)

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: Any, state: SessionState | None
    ) -> list[Any]:
        """What an event sends to the browser. Gradio would build every component anew that stays as it is."""
        count = len(block_fn.outputs)
        if count == 1 or not isinstance(predictions, (list, tuple)) or len(predictions) != count:
            return await super().postprocess_data(block_fn, predictions, state)
        changed = [i for i, value in enumerate(predictions) if not isinstance(value, dict) or value != gr.skip()]
        values: list[Any] = [gr.skip()] * count
        if changed:
            narrowed = copy(block_fn)
            narrowed.outputs = [block_fn.outputs[i] for i in changed]
            given = [predictions[i] for i in changed]
            sent = await super().postprocess_data(narrowed, given if len(given) > 1 else given[0], state)
            for i, value in zip(changed, sent, strict=True):
                values[i] = value
        return values

    def _after(self, block_fn: BlockFunction | int, key: str | None, queued: bool) -> None:
        """Delete the session of a visitor who has left, which is no event of the queue; of a call, its values."""
        if key is None or isinstance(block_fn, int):
            return
        if not queued and any(name == "unload" for __, name in block_fn.targets):
            self.kept.forget(key)
            return
        self.kept.note(key)
        if block_fn.api_visibility == "public":
            self.kept.forget_values(key)


def place_of(error: Exception) -> str:
    """The kind of an error and where it arose, without its text, which may hold names of people's files."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
