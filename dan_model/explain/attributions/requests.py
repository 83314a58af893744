"""An attribution request: a method with its baseline and settings, read from text, and run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from dan_model.errors import ArgumentError, DeviceMemoryError, Stopped
from dan_model.explain.attributions.gradients import COARSE_NODES, NODES
from dan_model.explain.attributions.registry import METHODS, Setting
from dan_model.explain.attributions.result import Attribution, AttributionResult
from dan_model.explain.attributions.task import BASELINES, AttributionTask, Cost
from dan_model.explain.cache import Cache
from dan_model.explain.regions import REGIONS, SIDE
from dan_model.texts import translate as _

DEFAULT_BASELINE = "default"  # that of the weights: `AttributionTask.default_baseline`


@dataclass(frozen=True)
class AttributionRequest:
    """A method with its baseline and settings. As text: method, method@baseline, method@baseline:name=value,name=value.

    Attributes:
        method: Name in `METHODS`.
        baseline: Name in `BASELINES`, or `DEFAULT_BASELINE`; None for methods without a baseline.
        settings: The name and value of every setting, in the method's order.
    """

    method: str
    baseline: str | None
    settings: tuple[tuple[str, float], ...]

    @classmethod
    def parse(cls, text: str) -> AttributionRequest:
        """Read a request from text; what the text leaves out has its default.

        Raises:
            ArgumentError: There is no such method, baseline or setting, or a value is out of bounds.
        """
        # Split the text: method @ baseline : settings.
        head, _, tail = str(text).partition(":")
        name, _, baseline = head.partition("@")
        if name not in METHODS:
            raise ArgumentError(f"There is no attribution method {name!r}.", f"Choose from: {', '.join(METHODS)}.")
        method = METHODS[name]
        if baseline and not method.baselines:
            raise ArgumentError(f"{text}: {method.title} has no baseline.", f"Ask for {name} alone.")
        if baseline and baseline not in BASELINES:
            raise ArgumentError(f"There is no baseline {baseline!r}.", f"Choose from: {', '.join(BASELINES)}.")
        # Read the settings, each within its bounds.
        given = dict(part.partition("=")[::2] for part in tail.split(",") if part)
        settings = tuple(
            (setting.name, _value(text, setting, given.pop(setting.name, None))) for setting in method.settings
        )
        if given:
            known = ", ".join(setting.name for setting in method.settings) or "none"
            raise ArgumentError(f"{text}: {method.title} has no setting {next(iter(given))!r}.", f"It has: {known}.")
        # Refuse settings that contradict each other.
        chosen = dict(settings)
        if name == "integrated_gradients" and chosen["most"] < chosen["steps"]:
            raise ArgumentError(f"{text}: most is less than steps.", "The path begins with that many points.")
        if name == "occlusion" and chosen["stride"] > chosen["window"]:
            raise ArgumentError(f"{text}: the stride is larger than the window.", "Some pixels would never be covered.")
        return cls(name, (baseline or DEFAULT_BASELINE) if method.baselines else None, settings)

    @property
    def text(self) -> str:
        """The shortest text that `parse` reads as this request."""
        baseline = "" if self.baseline in (None, DEFAULT_BASELINE) else f"@{self.baseline}"
        defaults = {setting.name: setting.default for setting in METHODS[self.method].settings}
        changed = ",".join(f"{name}={value:g}" for name, value in self.settings if value != defaults[name])
        return f"{self.method}{baseline}{':' if changed else ''}{changed}"

    @property
    def passes(self) -> int:
        """`passes_at` for inputs of 224 pixels."""
        return self.passes_at(SIDE)

    def passes_at(self, side: int) -> int:
        """How many images of so many pixels a side go through the network at most, forward and backward.

        It bounds the work of a request.
        """
        chosen, method = dict(self.settings), METHODS[self.method]
        both = 2  # forward and backward
        if self.method == "occlusion":
            return (-(-side // round(chosen["stride"])) + 1) ** 2 + 10  # and the coarse result before it
        if method.regions:
            return (len(REGIONS) + 1) * round(chosen.get("samples", 1)) + 2
        if self.method == "integrated_gradients":
            whole = NODES * -(-round(chosen["steps"]) // NODES)  # pieces have all their nodes
            gradients = max(whole, round(chosen["most"]))
            return both * (gradients + COARSE_NODES) + 2 + gradients // NODES  # and a score at each edge
        return both * round(max(chosen.get("most", 1), chosen.get("samples", 1))) + 8

    @property
    def title(self) -> str:
        """The title of the method, and the baseline where it is not the default."""
        title = METHODS[self.method].title
        if self.baseline is None or self.baseline == DEFAULT_BASELINE:
            return title
        return _("{method}, {baseline} baseline").format(method=title, baseline=_(self.baseline))


def attribute(task: AttributionTask, request: AttributionRequest | str) -> Attribution:
    """Run one method on a task, to its final result; see `attribute_in_stages`."""
    return deque(attribute_in_stages(task, request), maxlen=1).pop()


def attribute_in_stages(task: AttributionTask, request: AttributionRequest | str) -> Iterator[Attribution]:
    """Run one method on a task; some give coarse results before the final one.

    Model and input stay as they are, also after an exception.

    Raises:
        ArgumentError: There is no such method, or it does not apply to this face or these weights.
        DeviceMemoryError: There is no room for a single pass.
        Stopped: The task's `should_continue` returned False.
    """
    if isinstance(request, str):
        request = AttributionRequest.parse(request)
    method, cost, seconds = METHODS[request.method], Cost(), 0.0
    settings = dict(request.settings)
    baseline = task.default_baseline if request.baseline == DEFAULT_BASELINE else request.baseline
    stages: Iterator[AttributionResult] | None = None
    while True:
        start, before = time.perf_counter(), replace(task.cost)
        try:
            if stages is None:
                if baseline is not None:
                    settings["baseline"] = task.baseline(baseline)  # type: ignore[assignment]
                computed = method.compute(task, **settings)
                stages = iter([computed]) if isinstance(computed, AttributionResult) else computed
            result = next(stages)
        except torch.cuda.OutOfMemoryError as error:
            raise DeviceMemoryError(f"There is no memory for {method.title}.", "Take another device.") from error
        # Other requests may use the task between two stages: only what this one has cost counts.
        cost.forwards += task.cost.forwards - before.forwards
        cost.backwards += task.cost.backwards - before.backwards
        seconds += time.perf_counter() - start
        yield Attribution(
            **vars(result),
            method=request.method,
            request=request.text,
            score=task.score,
            unit=method.unit.format(unit=_(task.score.unit)),
            baseline=baseline,
            tolerance=settings.get("tolerance", method.tolerance),
            forwards=cost.forwards,
            backwards=cost.backwards,
            seconds=seconds,
            device=str(task.x.device),
        )
        if result.final:
            return


def attribute_each(
    task: AttributionTask, requests: Sequence[AttributionRequest], key: Hashable, cache: Cache[Attribution]
) -> Iterator[tuple[AttributionRequest, Attribution]]:
    """Run several requests: coarse results of all of them before finer ones. Ends when the task is stopped.

    Args:
        task: What is explained.
        requests: In the order in which their coarse results are wanted.
        key: Identifies the task in the cache.
        cache: Where final results are stored, and found again.
    """
    running = deque((request, attribute_in_stages(task, request)) for request in requests)
    while running:
        request, stages = running.popleft()
        result = cache.get((key, request))
        try:
            if result is None:
                result = next(stages)
        except Stopped:
            return
        if result.final:
            cache.put((key, request), result)
        else:
            running.append((request, stages))
        yield request, result


def parse_requests(texts: str | Sequence[str]) -> list[AttributionRequest]:
    """Read requests from texts, or from one, each kept once; "all" stands for every method, "none" for no method.

    Raises:
        ArgumentError: See `AttributionRequest.parse`.
    """
    groups, texts = {"all": tuple(METHODS), "none": ()}, [texts] if isinstance(texts, str) else texts
    return list(dict.fromkeys(AttributionRequest.parse(each) for text in texts for each in groups.get(text, (text,))))


def _value(text: str, setting: Setting, given: str | None) -> float:
    """The value of a setting as given in a request's text, or its default."""
    if given is None:
        return setting.default
    whole = isinstance(setting.default, int)
    try:
        value = int(given) if whole else float(given)
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        raise ArgumentError(
            f"{text}: {setting.name} must be {kind}, got {given!r}.", f"It is: {setting.meaning}."
        ) from error
    if not setting.low <= value <= setting.high:
        raise ArgumentError(
            f"{text}: {setting.name} must lie in [{setting.low:g}, {setting.high:g}], got {given}.",
            f"It is: {setting.meaning}.",
        )
    return value
