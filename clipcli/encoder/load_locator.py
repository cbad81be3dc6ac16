"""Loading a model that locates; torch is imported when one is loaded."""

from __future__ import annotations

from clipcli.encoder.locator import LocatingModel
from clipcli.models.locators.source import LocatorSource


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
    if source.kind == "glip":
        from clipcli.encoder.torch.locators.glip_runner import GlipRunner

        return GlipRunner.load(source, device, precision)
    if source.kind in ("mm-grounding-dino", "grounding-dino"):
        from clipcli.encoder.torch.locators.grounding_runner import GroundingRunner

        return GroundingRunner.load(source, device, precision)
    from clipcli.encoder.torch.locators.owl_runner import OwlRunner

    return OwlRunner.load(source, device, precision)
