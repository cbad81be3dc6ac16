"""Loading a model that locates; torch is imported when one is loaded."""

from __future__ import annotations

from clipcli.encoder.engines import FAST_BF16, may_have_card
from clipcli.encoder.locator import LocatingModel
from clipcli.models.locators.source import LocatorSource
from clipcli.process import processor_features

UNFUSED = ("owlvit", "owlv2")  # they look at a picture before they know the question


def meant_precision(source: LocatorSource, device: str, precision: str) -> str:
    """Return the precision that is meant, without importing torch; ``auto`` is fp32 or bf16.

    OWL-ViT and OWLv2 run in bf16 on processors that multiply it fast, as models that classify do:
    it moves their scores by thousandths. The others' boxes are moved by pixels, so that has to be
    asked for.
    """
    if precision != "auto":
        return precision
    on_processor = device == "cpu" or (device == "auto" and not may_have_card())
    is_fast = bool(FAST_BF16 & processor_features())
    return "bf16" if source.kind in UNFUSED and on_processor and is_fast else "fp32"


def load_locator(
    source: LocatorSource, device: str = "auto", precision: str = "auto"
) -> LocatingModel:
    """Load a model that locates.

    Raises
    ------
    ModelError
        If its weights do not fit its architecture exactly.
    DeviceError
        If the device or precision is not available here.
    """
    precision = meant_precision(source, device, precision)
    if source.kind == "glip":
        from clipcli.encoder.torch.locators.glip_runner import GlipRunner

        return GlipRunner.load(source, device, precision)
    if source.kind in ("mm-grounding-dino", "grounding-dino"):
        from clipcli.encoder.torch.locators.grounding_runner import GroundingRunner

        return GroundingRunner.load(source, device, precision)
    from clipcli.encoder.torch.locators.owl_runner import OwlRunner

    return OwlRunner.load(source, device, precision)
