"""What a link asks for besides an example: a face, and what is explained of it. Unknown values are left out.

A link is made and opened by the browser (`assets/link.js`); tab and switched-off heads stay there.
"""

from __future__ import annotations

from collections.abc import Mapping

from dan_model.explain import Explainer
from dan_model.ui.explain_request import choices

PARTS = ("class", "against", "head")  # as in the address, in the order of `choices`


def linked_request(asked: object, explainer: Explainer) -> list[str]:
    """The class, what it is compared with, and the head, as the page's menus hold them.

    Args:
        asked: What the browser sent: a mapping with some of `PARTS`, or anything else, which asks for nothing.
        explainer: Says which choices there are.
    """
    wanted = asked if isinstance(asked, Mapping) else {}
    menus = choices(explainer)[: len(PARTS)]
    return [
        wanted[part] if wanted.get(part) in menu["choices"] else menu["value"]
        for part, menu in zip(PARTS, menus, strict=True)
    ]


def linked_face(asked: object, numbers: list[str]) -> str | None:
    """The number of the face that a link asks for; the first one where it asks for none, None where there is none."""
    wanted = asked.get("face") if isinstance(asked, Mapping) else None
    return wanted if wanted in numbers else next(iter(numbers), None)
