"""Bytes that were worked out from pictures and are kept beside the vectors, by content."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcli.cache import codec
from clipcli.cache.schema import CHUNK_BITS
from clipcli.cache.store import Kept, VectorSetting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipcli.cache.image_cache import ImageCache
    from clipcli.cache.store import Store

KINDS = ("boxes", "places")  # what is kept so


@dataclass(frozen=True, slots=True)
class ByteFacts:
    """What kept bytes depend on, besides the picture."""

    kind: str  # one of :data:`KINDS`
    model: str
    fingerprint: str
    precision: str
    exact: bool
    decoder: str  # versions
    more: Sequence[object] = ()  # JSON data

    def setting(self) -> VectorSetting:
        """Return the setting under which they are kept."""
        # Subtle: precision and exactness stand where `cache info` looks for those of vectors.
        facts = [
            *(self.kind, self.fingerprint, self.precision, list(self.more)),
            *(self.exact, self.decoder),
        ]
        return VectorSetting(json.dumps(facts), self.model, self.fingerprint)


class KeptBytes:
    """Values of one setting; each is written at once, for making one takes seconds."""

    def __init__(self, cache: ImageCache, facts: ByteFacts, *, share: float = 1.0) -> None:
        """Keep no more once the store fills ``share`` of its limit."""
        self._cache, self._share = cache, share
        self._wanted = facts.setting()
        self._setting = cache.ask(lambda store: store.setting(self._wanted), None)

    @property
    def is_off(self) -> bool:
        """Whether nothing is kept, so that nothing need be hashed."""
        return self._cache.is_off

    def get(self, content: bytes, max_pixels: int) -> bytes | None:
        """Return what is kept of a picture by its hash; None too if it has more pixels."""
        if self._setting is None:
            return None
        found = self._cache.ask(
            lambda store: store.find_content(content, self._setting, None), None
        )
        if found is None or found.vector is None or not codec.is_sound(found.vector, found.tag):
            return None
        payload, n_pixels = codec.unpack_bytes(found.vector)
        if n_pixels > max_pixels:
            return None
        used = {(found.content >> CHUNK_BITS, self._setting)}
        self._cache.ask(lambda store: store.write((), used, int(time.time())), None)
        return payload

    def keep(self, content: bytes, payload: bytes, n_pixels: int) -> None:
        """Keep what was worked out from a picture."""
        if self._setting is None:
            self._setting = self._cache.ask(
                lambda store: store.setting(self._wanted, make=True), None
            )
        if self._setting is None:  # the cache is off, or has just failed
            return
        value = codec.pack(payload, n_pixels, codec.tag_of(content))
        kept = Kept(self._setting, content, None, value)
        limit = self._cache.limit_bytes

        def write(store: Store) -> None:
            if store.used_bytes() <= self._share * limit:
                store.write((kept,), (), int(time.time()))
                store.shrink(limit)

        self._cache.ask(write, None)
