"""How the page looks and how it is launched: nothing is fetched from another host, nothing is stored."""

from __future__ import annotations

import json
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from dan_model import show
from dan_model.texts import script_texts, translate
from dan_model.ui.guard import FileGuard

ASSETS = Path(__file__).parent / "assets"
FLOW_STYLE = Path(show.__file__).parent / "assets" / "flow.css"  # the report has it too
UPLOAD_LIMIT = "40mb"
QUEUE_SIZE = 64  # requests that wait; further ones get the message that the queue is full
THREADS = 96  # each event that runs has one; more than run at once (`REQUESTS_AT_ONCE` and the API's)
KEEP_FILES = (60, 600)  # seconds: how often temporary files are checked, and how old they may become


def launch_settings() -> dict[str, Any]:
    """Keyword arguments for `Blocks.launch`."""
    panels = sorted(path for path in ASSETS.glob("*.css") if path.name != "page.css")
    return {
        "theme": _theme(),
        "css_paths": [ASSETS / "page.css", FLOW_STYLE, *panels],
        "max_file_size": UPLOAD_LIMIT,
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "footer_links": ["api", "settings"],
        "app_kwargs": {"middleware": [Middleware(FileGuard)]},
        "show_error": False,
        "mcp_server": find_spec("mcp") is not None,  # with `pip install "gradio[mcp]"`
        "max_threads": THREADS,
    }


def queue_settings() -> dict[str, Any]:
    """Keyword arguments for `Blocks.queue`: nothing passes by the queue and its limits."""
    return {"max_size": QUEUE_SIZE, "api_open": False}


def asset(name: str) -> str:
    """The text of one of the page's own files."""
    return (ASSETS / name).read_text(encoding="utf-8")


def scripts(*names: str) -> str:
    """Some of the page's scripts, in this order, and before them what translates their texts."""
    return "".join(asset(f"{name}.js") for name in ("texts", *names))


def translations() -> str:
    """The texts of all scripts with their translations, as data of the page; `assets/texts.js` reads them."""
    texts = [text for path in sorted(ASSETS.glob("*.js")) for text in script_texts(asset(path.name))]
    data = escape(json.dumps({text: translate(text) for text in texts}), quote=True)
    return f'<div hidden data-texts="{data}"></div>'


def _theme() -> gr.themes.Base:
    """Gradio's default theme with local fonts, and secondary text dark enough to read (WCAG AA)."""
    theme = gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    return theme.set(body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300")
