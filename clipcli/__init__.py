"""clipcli: zero-shot image classification with CLIP, from the command line and from Python.

>>> from clipcli import Classifier
>>> classifier = Classifier(labels=["cat", "dog", "teapot"])
>>> for result in classifier.classify(["examples/photos/cat.jpg"]):
...     print(result.path, result.label)
examples/photos/cat.jpg cat
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipcli.version import __version__

if TYPE_CHECKING:
    from clipcli.labels.label_set import Label, LabelSet
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.locating.run import Box, Located
    from clipcli.results import Classified, LabelScore, Skipped
    from clipcli.workflows.locate.api import Locator

__all__ = [
    "Box",
    "Classified",
    "Classifier",
    "Label",
    "LabelScore",
    "LabelSet",
    "Located",
    "Locator",
    "Skipped",
    "__version__",
]

_HOMES = {
    "Box": "pipeline.locating.run",
    "Classified": "results",
    "Classifier": "pipeline.classifier",
    "Label": "labels.label_set",
    "LabelScore": "results",
    "LabelSet": "labels.label_set",
    "Located": "pipeline.locating.run",
    "Locator": "workflows.locate.api",
    "Skipped": "results",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: ``clipcli --help`` pays for none."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
