"""DAN Explorer: see what the attention heads of DAN attend to, and how their fusion decides.

Data goes one way, and so does the reading order: `faces` (photo -> face -> tensor), `network` (DAN), `weights`
(checkpoints -> DAN), `explain` (tensor -> explanation), `learn` (where weights come from), `show` (explanation ->
figures and files), then `commands` and `ui`, which put all of it into the hands of people. Each of these rooms has its
own reading order in its `__init__.py`.

The public names are imported when they are first used, so that `python -m dan_model` can set up the environment before
PyTorch is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dan_model.version import __version__

if TYPE_CHECKING:
    from dan_model.config import ModelConfig, PreprocessConfig
    from dan_model.errors import DanError
    from dan_model.explain import Explainer, Explanation
    from dan_model.network import DAN, Stages
    from dan_model.weights import load_checkpoint

_MODULES = {
    "DAN": "network",
    "DanError": "errors",
    "Explainer": "explain",
    "Explanation": "explain",
    "ModelConfig": "config",
    "PreprocessConfig": "config",
    "Stages": "network",
    "load_checkpoint": "weights",
}

__all__ = [
    "DAN",
    "DanError",
    "Explainer",
    "Explanation",
    "ModelConfig",
    "PreprocessConfig",
    "Stages",
    "__version__",
    "load_checkpoint",
]


def __getattr__(name: str) -> Any:
    """A public name, from the module that defines it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
