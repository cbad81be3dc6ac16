"""Keeping the encoder fed: pictures in, one vector or reason each, in order.

Threads find, look up and decode ahead (see ``feeder``); the caller's thread encodes what the cache
did not have, a batch at a time, and keeps it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, cast

from clipcli.cache.image_cache import ImageCache
from clipcli.images.find import ImageFile
from clipcli.pipeline.image_data import ImageData
from clipcli.pipeline.prefetch import Feeder
from clipcli.pipeline.reader import MAX_PIXELS, DecodeOptions, Embedded, Fresh
from clipcli.results import Skipped

if TYPE_CHECKING:
    from clipcli.cache.session import CacheSession
    from clipcli.encoder.encoder import Encoder
    from clipcli.pipeline.prefetch import Entry

__all__ = ["MAX_PIXELS", "DecodeOptions", "Embedded", "embed"]

FIRST_BATCH = 4  # small, so that the first result comes early


def embed(
    inputs: Iterable[ImageFile | ImageData | Skipped],
    encoder: Encoder,
    options: DecodeOptions,
    cache: ImageCache | None = None,
) -> Iterator[list[Embedded | Skipped]]:
    """Yield an embedding or a reason for every input, in input order, a batch at a time.

    Without a cache nothing is looked up or kept, but vectors are rounded as they would be there,
    so that nobody can tell by the results.
    """
    cache = cache or ImageCache(None)
    kept = _open_cache(cache, encoder, options)
    with closing(kept), Feeder(inputs, encoder, options, kept) as feeder:
        batch_size = FIRST_BATCH
        while pending := feeder.gather(batch_size):
            is_fresh = any(isinstance(entry, Fresh) for entry in pending)
            if is_fresh:
                _encode(pending, encoder, kept)
                batch_size = encoder.batch_size
                cache.note_choice(encoder.asked, encoder.device, encoder.precision)
            yield cast("list[Embedded | Skipped]", pending)


def _encode(pending: list[Entry], encoder: Encoder, kept: CacheSession) -> None:
    """Put vectors in the place of pictures, which are encoded at once, and keep them."""
    import numpy as np

    from clipcli.cache.session import Known

    places = [i for i, entry in enumerate(pending) if isinstance(entry, Fresh)]
    fresh = cast("list[Fresh]", [pending[i] for i in places])
    rows = encoder.encode_images(np.stack([entry.pixels for entry in fresh]))  # (n, d)
    for place, entry, row, rounded in zip(places, fresh, rows, kept.rounded(rows), strict=True):
        if entry.content is not None:
            facts = (entry.content, entry.identity, entry.n_pixels)
            kept.keep_vector(Known(row, entry.note_number), *facts, precision=encoder.precision)
        pending[place] = Embedded(entry.path, rounded, entry.note_number)


def _open_cache(cache: ImageCache, encoder: Encoder, options: DecodeOptions) -> CacheSession:
    """Return the part of the cache that is about this model in the precision that it will have."""
    import PIL

    from clipcli.cache.session import CacheSession, Facts
    from clipcli.images.decode import DECODER_VERSION
    from clipcli.images.origin import ORIGIN_VERSION
    from clipcli.images.raw import is_installed

    config = encoder.config
    facts = Facts(
        model=config.name,
        fingerprint=config.fingerprint,
        width=config.architecture.embed_dim,
        size_px=config.preprocessing.size,
        exact=options.exact,
        max_pixels=options.max_pixels,
        # Without its extra a raw photograph is read by the preview in it.
        decoder=f"{DECODER_VERSION} Pillow {PIL.__version__} origin {ORIGIN_VERSION}"
        + " sRGB" * options.convert_profiles
        + " rawpy" * is_installed(),
    )
    return CacheSession(cache, facts, _precision(cache, encoder))


def _precision(cache: ImageCache, encoder: Encoder) -> str | None:
    """Return the precision that the model will have here, if there is something to look up for it.

    Noted choices spare torch. Without one, it is asked only where vectors may be waiting: the
    first run with a model decodes while torch is imported.
    """
    choice = cache.choice(encoder.asked)
    if choice is None and cache.knows_model(encoder.config.fingerprint):
        choice = (encoder.device, encoder.precision)
        cache.note_choice(encoder.asked, *choice)
    return choice[1] if choice is not None else None
