"""How the page looks, and how it is launched: nothing is fetched from elsewhere, nothing is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

ASSETS = Path(__file__).parent / "assets"
UPLOAD_LIMIT = "40mb"
KEEP_FILES = (60, 600)  # seconds: how often temporary files are looked through, and how old they may grow


def launch_settings() -> dict[str, Any]:
    """Keyword arguments for `Blocks.launch`."""
    return {
        "theme": _theme(),
        "css_paths": [ASSETS / "page.css"],
        "max_file_size": UPLOAD_LIMIT,
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "footer_links": ["api", "settings"],
        "show_error": False,
    }


def _theme() -> gr.themes.Base:
    """Gradio's own theme with fonts of the visitor's machine, and secondary text dark enough to read (WCAG AA)."""
    theme = gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    return theme.set(body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300")


def asset(name: str) -> str:
    """The text of one of the page's own files."""
    return (ASSETS / name).read_text(encoding="utf-8")
