"""A film in figures, sentences and numbers: probabilities and channels won over time, for each person."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from dan_model.explain.film import FilmSample
from dan_model.explain.film_timeline import FilmTimeline, PersonTimeline
from dan_model.show.axes import WIDTH, legend_above, legend_rows, literal, plain
from dan_model.show.class_figures import class_colour
from dan_model.show.figure_views import FigureView
from dan_model.show.style import FAINT, INK, head_colour
from dan_model.show.tiles import percent, whole_percent
from dan_model.texts import head_name
from dan_model.texts import translate as _

NAMED = 0.2  # probability that a class must reach to be drawn in its colour and named
ROOM = (0.16, 0.11)  # of a class name, in parts of the axes
MOST_SPANS = 6  # that are listed one by one
SHORT = 120.0  # seconds; the times of longer films have no tenths
NOTE = _(
    "Above: the probability of every class. Below: the part of the channels that each head wins; what is missing to "
    "100 % are channels in which no head leads. Each sample holds until the next."
)


def film_views(timeline: FilmTimeline) -> list[FigureView]:
    """A view for each person of a timeline."""
    if not timeline.people:
        return [FigureView("film", _("Over time"), _("No face was found in this film."), warning=True)]
    alone = len(timeline.people) == 1 and not timeline.others
    title = _("Over time") if alone else _("Person {number} over time")
    return [
        FigureView(
            f"person{one.person}", title.format(number=one.person),
            person_sentence(timeline, one), person_figure(timeline, one), NOTE if n == 0 else "",
        )
        for n, one in enumerate(timeline.people)
    ]  # fmt: skip


def person_figure(timeline: FilmTimeline, person: PersonTimeline) -> Figure:
    """The probabilities of the classes, and below the parts of the channels won by the heads, over time."""
    names = [head_name(h) for h in range(timeline.heads)]
    figure = Figure(figsize=(WIDTH, 3.6 + 0.2 * legend_rows(names)), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, 1))
    edges = np.append(timeline.times, len(timeline.times) * timeline.step)
    # Probabilities, named at their peaks where there is room: the highest first.
    taken: list[tuple[float, float]] = []
    peaks = np.nan_to_num(person.probabilities).max(axis=0)
    for k in np.argsort(-peaks):
        bold = peaks[k] >= NAMED
        values = person.probabilities[:, k]
        style = {"color": class_colour(int(k)), "linewidth": 1.8} if bold else {"color": FAINT, "linewidth": 0.8}
        top.stairs(values, edges, baseline=None, **style)
        if bold:
            _name(top, timeline, values, literal(timeline.labels)[k], class_colour(int(k)), taken)
    top.set(ylim=(-0.02, 1.12), ylabel=_("probability"), xlim=(0, edges[-1]))
    top.set_yticks([0, 0.5, 1])
    # Channels won, stacked.
    before = np.zeros(len(timeline.times))
    for h in range(timeline.heads):
        after = before + person.won[:, h]
        bottom.stairs(after, edges, baseline=before, fill=True, color=head_colour(h), label=names[h])
        before = after
    bottom.set(ylim=(0, 1), ylabel=_("channels won"), xlabel=_("time in the film"))
    bottom.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    bottom.xaxis.set_major_formatter(FuncFormatter(lambda value, position: clock(value, timeline.end)))
    legend_above(bottom)
    for axes in (top, bottom):
        plain(axes)
    return figure


def person_sentence(timeline: FilmTimeline, person: PersonTimeline) -> str:
    """What was predicted when, and which head wins most of the channels."""
    spans, end = person.spans(timeline.labels), timeline.end
    if len(spans) == 1 and spans[0][1:] == (0, len(timeline.times)):
        said = _("Predicted throughout: {label}.").format(label=spans[0][0])
    elif len(spans) <= MOST_SPANS:
        parts = [f"{label} {clock(a * timeline.step, end)}–{clock(b * timeline.step, end)}" for label, a, b in spans]
        said = _("Predicted: {spans}.").format(spans=", ".join(parts))
    else:
        steps: dict[str, int] = {}
        for label, a, b in spans:
            steps[label] = steps.get(label, 0) + b - a
        first = sorted(steps, key=lambda label: -steps[label])[:3]
        part, total = _("{label} {share} of the time"), sum(steps.values())
        parts = [part.format(label=label, share=whole_percent(steps[label] / total)) for label in first]
        said = _("Predicted: {parts}; {count} spans.").format(parts=", ".join(parts), count=len(spans))
    if timeline.heads < 2:
        return said
    won = np.nanmean(person.won, axis=0)
    head = int(won.argmax())
    most = _("{head} wins the most channels ({share} on average).")
    return f"{said} {most.format(head=head_name(head), share=whole_percent(won[head]))}"


def sample_numbers(sample: FilmSample, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """A sample as JSON values, one for each face; one without a person where there is no face."""
    if not sample.faces:
        return [{"time": round(sample.time, 3), "person": None}]
    return [
        {
            "time": round(sample.time, 3),
            "person": face.person,
            "box": [round(value, 1) for value in face.box.tolist()],
            "label": face.label,
            "probabilities": dict(zip(labels, (round(p, 5) for p in face.probabilities.tolist()), strict=True)),
            "contributions": [round(value, 4) for value in face.contributions.tolist()],
            "channels_won": [round(value, 4) for value in face.won.tolist()],
        }
        for face in sample.faces
    ]


def sample_sentence(sample: FilmSample) -> str:
    """What a sample shows, in a few words."""
    texts = [f"{face.label} {percent(float(face.probabilities.max()))}" for face in sample.faces]
    if len(texts) > 1:
        numbered = _("person {number}: {prediction}")
        texts = [
            numbered.format(number=face.person, prediction=text) for face, text in zip(sample.faces, texts, strict=True)
        ]
    return "; ".join(texts) or _("no face")


def clock(seconds: float, end: float = 0.0) -> str:
    """A time as m:ss, in films of less than `SHORT` seconds with tenths where there are any."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    if end >= SHORT or not rest % 10:
        return f"{minutes}:{rest // 10:02d}"
    return f"{minutes}:{rest / 10:04.1f}"


def _name(
    axes: Axes, timeline: FilmTimeline, values: np.ndarray, label: str, colour: str, taken: list[tuple[float, float]]
) -> None:
    """Write the name of a class above the middle of its longest stay near its peak, where there is room."""
    high = np.nan_to_num(values) >= 0.9 * np.nanmax(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(int), [0]])))
    start, stop = max(edges.reshape(-1, 2).tolist(), key=lambda run: run[1] - run[0])
    x, y = (start + stop) / 2 * timeline.step, float(np.nanmax(values))
    width = len(values) * timeline.step
    if any(abs(x - at) < ROOM[0] * width and abs(y - level) < ROOM[1] for at, level in taken):
        return
    taken.append((x, y))
    side = "left" if x < 0.1 * width else "right" if x > 0.9 * width else "center"
    axes.annotate(label, (x, y), (0, 4), textcoords="offset points", ha=side, fontsize=8, color=INK)
    axes.plot([x], [y], "o", color=colour, markersize=3)
