"""How to cite the paper that is explained, and this software: one text for the page and the report."""

from __future__ import annotations

from dan_model.show.origin import SOFTWARE
from dan_model.texts import translate as _
from dan_model.version import __version__

BIBTEX = f"""@article{{wen2021distract,
  title = {{Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition}},
  author = {{Wen, Zhengyao and Lin, Wenzhong and Wang, Tao and Xu, Ge}},
  journal = {{arXiv preprint arXiv:2109.07270}},
  year = {{2021}},
  url = {{https://arxiv.org/abs/2109.07270}}
}}

@misc{{dan_explorer,
  title = {{{SOFTWARE}}},
  author = {{{{The DAN Explorer developers}}}},
  note = {{Software, version {__version__}}}
}}"""
"""Entries for the paper and for this software; the same as in CITATION.cff."""


def citation() -> str:
    """The sentence and the entries, as HTML."""
    asked = _("If you use this in your work, cite the paper of the network, and this software with its version:")
    return f'<p>{asked}</p><pre class="dan-bibtex">{BIBTEX}</pre>'
