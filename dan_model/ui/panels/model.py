"""The model: which weights the page uses, what their configuration is, and how to load others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dan_model.errors import DanError
from dan_model.show.citation import citation
from dan_model.show.tiles import percent
from dan_model.texts import translate as _
from dan_model.texts import translate_plural
from dan_model.ui import html
from dan_model.ui.context import QUEUED, PageContext
from dan_model.ui.photo_input import shown_as_error
from dan_model.ui.state import FIRST_WEIGHTS
from dan_model.weights import PRESETS, Checkpoint

NO_PRESET = _("none")
LOADING = {"concurrency_id": "weights", "concurrency_limit": 1}


@dataclass(frozen=True)
class Header:
    """The top of the page: which model is in use."""

    title: gr.Markdown
    theme: gr.Button
    notice: gr.HTML


@dataclass(frozen=True)
class Components:
    """The components that load another model."""

    source: gr.Textbox
    preset: gr.Dropdown
    load: gr.Button
    configuration: gr.JSON


def header(first: Checkpoint, buttons: Callable[[], None]) -> Header:
    """Add the top of the page to the page that is being built.

    Args:
        first: The model that the page opens with.
        buttons: Adds the buttons beside the title.
    """
    with gr.Row():
        title = gr.Markdown(header_text(first), elem_id="dan-head")
        buttons()
        theme = gr.Button(_("Light / dark"), size="sm", elem_id="dan-theme", min_width=100)
    notice = gr.HTML(html.notice(first.notice or "", "warning"), visible=bool(first.notice), elem_id="dan-model-notice")
    return Header(title, theme, notice)


def components(first: Checkpoint) -> Components:
    """Add the panel to the page that is being built."""
    with gr.Accordion(_("Model"), open=False, elem_id="dan-model"):
        source = gr.Textbox(
            label=_("Hugging Face id"), placeholder=_("user/name, user/name@revision; empty: the first model")
        )
        preset = gr.Dropdown([NO_PRESET, *PRESETS], value=NO_PRESET, label=_("Preset (for a bare published file)"))
        load = gr.Button(_("Load model"), elem_id="dan-load")
        configuration = gr.JSON(
            configuration_of(first), label=_("Configuration"), max_height=300, elem_id="dan-configuration"
        )
        gr.HTML(f"<h3>{_('How to cite')}</h3>{citation()}", elem_id="dan-cite")
    return Components(source, preset, load, configuration)


def header_text(checkpoint: Checkpoint) -> str:
    """The title of the page with the name, the heads and the accuracy of a model, in Markdown."""
    config = checkpoint.model.config
    measured = config.provenance.get("validation")
    accuracy = measured.get("accuracy") if isinstance(measured, Mapping) else None
    name = f"**{checkpoint.name}**"
    if checkpoint.revision:
        name = _("{name} at {revision}").format(name=name, revision=checkpoint.revision)
    heads = translate_plural(
        "DAN (Distract Your Attention Network) classifies a facial expression with one attention head.",
        "DAN (Distract Your Attention Network) classifies a facial expression with {count} attention heads, which an "
        "attention fusion network (AFN) compares.",
        config.num_heads,
    ).format(count=config.num_heads)
    described = _("Model: {name}, {count} classes")
    if isinstance(accuracy, float):
        described = _("Model: {name}, {count} classes, {accuracy} right on its validation faces")
    values = {"name": name, "count": len(config.labels), "accuracy": percent(accuracy or 0.0)}
    return f"# DAN Explorer\n{heads}\n\n{described.format(**values)}"


def configuration_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The configuration of a model, as the page shows it."""
    revision = {"revision": checkpoint.revision} if checkpoint.revision else {}
    return {"model": checkpoint.name, **revision, **checkpoint.model.config.to_dict()}


def wire(
    panel: Components,
    top: Header,
    request_components: list[Any],
    request_choices: Any,
    load_photo: dict[str, Any],
    context: PageContext,
) -> None:
    """Connect the panel: another model is loaded, and the photo is explained with it.

    Args:
        panel: This panel.
        top: The top of the page.
        request_components: Components whose choices depend on the model.
        request_choices: Gives their choices and values for an explainer, in the same order.
        load_photo: The event that loads the photo again and explains it.
        context: Of the page.
    """

    @shown_as_error
    def on_weights(source: str, preset: str, request: gr.Request) -> Iterator[list[Any]]:
        session = context.session(request)
        chosen = (source.strip(), None if preset == NO_PRESET else preset)
        weights = chosen if chosen[0] else FIRST_WEIGHTS
        unchanged = [gr.skip() for _ in outputs[2:]]
        yield [gr.skip(), gr.HTML(html.notice(_("Loading the model …")), visible=True), *unchanged]
        try:
            loaded = context.weights.get(*weights)
        except DanError as error:
            text = _("The model stays as it is. {reason}").format(reason=error)
            yield [gr.skip(), gr.HTML(html.notice(text, "warning")), *unchanged]
            raise
        session.weights = weights
        checkpoint = loaded.checkpoint
        new_choices = zip(request_components, request_choices(loaded.explainer), strict=True)
        yield [
            header_text(checkpoint),
            gr.HTML(html.notice(checkpoint.notice or "", "warning"), visible=bool(checkpoint.notice)),
            configuration_of(checkpoint),
            *(type(component)(**values) for component, values in new_choices),
        ]

    outputs: list[Any] = [top.title, top.notice, panel.configuration, *request_components]
    switched = panel.load.click(on_weights, [panel.source, panel.preset], outputs, **{**QUEUED, **LOADING})
    switched.success(**load_photo)
    top.theme.click(None, js="() => { document.body.classList.toggle('dark') }", api_visibility="private")
