"""Which model a run asks for, and how: opened before the pictures are looked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from clipcli.errors import ClipcliError

if TYPE_CHECKING:
    from clipcli.cache.image_cache import ImageCache
    from clipcli.cache.text_cache import TextCache
    from clipcli.encoder.encoder import ModelEncoder
    from clipcli.pipeline.embed import DecodeOptions


OPENING = ("clipcli.cache.image_cache", "clipcli.encoder.encoder", "clipcli.models.open")


class OpenedModel(NamedTuple):
    """An open model whose engine may be loading, and the cache that was asked about it."""

    encoder: ModelEncoder
    image_cache: ImageCache


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model runs, and how."""

    model: str | None = None
    device: str = "auto"
    precision: str = "auto"
    exact: bool = False
    max_megapixels: float = 200.0
    no_cache: bool = False
    backend: str = "auto"
    convert_profiles: bool = False

    def is_default(self) -> bool:
        """Tell whether nobody said which model is to serve."""
        from clipcli.models.resolve import chosen_model

        return not chosen_model(self.model).reason

    def open(self) -> ModelEncoder:
        """Open the model; no engine is imported.

        Raises
        ------
        ModelError, DeviceError, MissingExtraError
        """
        from clipcli.encoder.encoder import load_encoder

        return load_encoder(self.model, self.device, self.precision, self.backend)

    def begin(self) -> OpenedModel | None:
        """Open the model and begin to load its engine, where pictures are to be encoded for sure.

        The sooner, the more of it is done while the rest of the program is imported. What is wrong
        with the model is said by who opens it again, after what is wrong with other options.
        """
        # The thread is to import nothing: two that import take turns, and longer than one.
        for name in OPENING:
            import_module(name)
        try:
            with ThreadPoolExecutor(1) as pool:
                opening = pool.submit(self.open)
                # Before its first run a model is hashed, which lets go of the interpreter.
                import_module("numpy")  # every run needs it
            begun = OpenedModel(opening.result(), self.image_cache())
        except ClipcliError:
            return None
        if not begun.image_cache.knows_model(begun.encoder.config.fingerprint):
            begun.encoder.start_early()
        return begun

    def text_cache(self) -> TextCache:
        """Open the cache of label rows; ``no_cache`` makes one that holds nothing."""
        from clipcli.cache.text_cache import TextCache, default_folder

        return TextCache(None if self.no_cache else default_folder())

    def image_cache(self) -> ImageCache:
        """Open the cache of image vectors, as :meth:`text_cache` does that of label rows."""
        from clipcli.cache.image_cache import ImageCache
        from clipcli.cache.text_cache import default_folder

        return ImageCache(None if self.no_cache else default_folder())

    def decoding(self) -> DecodeOptions:
        """Return how pictures are decoded."""
        from clipcli.pipeline.embed import DecodeOptions

        max_pixels = round(self.max_megapixels * 1e6)
        return DecodeOptions(self.exact, max_pixels, self.convert_profiles)
