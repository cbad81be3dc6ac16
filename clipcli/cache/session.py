"""One run's part of the image cache: one model, one way of decoding.

Vectors are looked up many at a time, and kept a few hundred at a time, so that a cold run does not
wait for the disk at each batch.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from clipcli.cache import codec
from clipcli.cache.identity import Identity
from clipcli.cache.image_cache import ImageCache
from clipcli.cache.store import Found, Kept, VectorSetting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Row: TypeAlias = NDArray[np.float32]

    # What the cache knows of a picture: its vector, or why it is skipped, or nothing.
    Answer: TypeAlias = "Known | str | None"

KEPT_AT_ONCE = 512  # values
KEPT_FOR_S = 5.0


class Facts(NamedTuple):
    """What vectors and reasons depend on, besides pictures and precision."""

    model: str
    fingerprint: str
    width: int  # of a vector
    size_px: int  # of the model's input
    exact: bool
    max_pixels: int
    decoder: str  # versions

    def vectors(self, precision: str) -> VectorSetting:
        """Return the setting of vectors; each says its pixels, so no limit belongs to it."""
        facts = ["vector", self.fingerprint, precision, self.width, self.exact, self.decoder]
        return VectorSetting(json.dumps(facts), self.model, self.fingerprint)

    def reasons(self) -> VectorSetting:
        """Return the setting of reasons; they do not depend on the model, its input size aside."""
        facts = ["reason", self.size_px, self.exact, self.max_pixels, self.decoder]
        return VectorSetting(json.dumps(facts))


class Known(NamedTuple):
    """A picture's vector (d,), and the number of what its record is to say of the file."""

    row: Row
    note: int = 0


class CacheSession:
    """What the cache has for a run; ``precision`` is None as long as nobody knows it."""

    def __init__(self, cache: ImageCache, facts: Facts, precision: str | None) -> None:
        self._cache, self._facts, self._precision = cache, facts, precision
        cache.precision = precision or ""
        self._kind = codec.vector_type(exact=facts.exact)
        self._length = codec.value_bytes(facts.width, self._kind)
        self._vectors: int | None = None
        self._reasons: int | None = None
        self._kept: list[Kept] = []
        self._used: set[tuple[int, int]] = set()
        self._lock = threading.Lock()
        self._kept_since = time.monotonic()
        self._look_for_settings()

    def _look_for_settings(self) -> None:
        """Find the numbers of the settings, if anything was kept under them before."""
        cache, facts = self._cache, self._facts
        if self._vectors is None and self._precision is not None:
            vectors = facts.vectors(self._precision)
            self._vectors = cache.ask(lambda store: store.setting(vectors), None)
        if self._reasons is None:
            self._reasons = cache.ask(lambda store: store.setting(facts.reasons()), None)

    @property
    def is_off(self) -> bool:
        """Whether nothing is kept, so that nothing need be hashed."""
        return self._cache.is_off

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to be found when the run began."""
        return self._cache.is_off or (self._vectors is None and self._reasons is None)

    def rounded(self, rows: Row) -> Row:
        """Return new rows (n, d) as they will come back from the cache."""
        return codec.rounded(rows, self._kind)

    def look_up(self, identities: Sequence[Identity | None]) -> list[Answer]:
        """Return the vector (d,) of each file, or why it is skipped, or None: not known."""
        nothing: list[Answer] = [None] * len(identities)
        if self.is_empty:
            return nothing
        none: list[Found | None] = []
        found = self._cache.ask(
            lambda store: store.find_files(identities, self._vectors, self._reasons), none
        )
        return self._unpack(found) if found else nothing

    def look_up_content(self, content: bytes) -> Answer:
        """Return the vector (d,) of a picture by its bytes, or why it is skipped, or None."""
        if self.is_empty:
            return None
        found = self._cache.ask(
            lambda store: store.find_content(content, self._vectors, self._reasons), None
        )
        return self._unpack([found])[0]

    def _unpack(self, found: Sequence[Found | None]) -> list[Answer]:
        answers: list[Answer] = [None] * len(found)
        places, values = [], []
        for i, one in enumerate(found):
            if one is None:
                continue
            if one.vector is not None:
                if len(one.vector) == self._length and codec.is_sound(one.vector, one.tag):
                    places.append(i)
                    values.append(one.vector)
            elif one.reason is not None and codec.is_sound(one.reason, one.tag):
                answers[i] = codec.unpack_reason(one.reason)
        self._fill(answers, places, values)
        self._note_use(found, answers)
        return answers

    def _fill(self, answers: list[Answer], places: list[int], values: list[bytes]) -> None:
        """Put vectors into their places, but for pictures that are too large for this run."""
        if not values:
            return
        rows, n_pixels, notes = codec.unpack_vectors(values, self._facts.width, self._kind)
        fits = (n_pixels <= self._facts.max_pixels).tolist()
        for place, row, note, is_fit in zip(places, rows, notes.tolist(), fits, strict=True):
            if is_fit:
                answers[place] = Known(row, note)

    def _note_use(self, found: Sequence[Found | None], answers: Sequence[Answer]) -> None:
        from clipcli.cache.schema import CHUNK_BITS

        for setting, wanted in ((self._vectors, False), (self._reasons, True)):
            chunks = {
                one.content >> CHUNK_BITS
                for one, answer in zip(found, answers, strict=True)
                if one is not None and answer is not None and isinstance(answer, str) == wanted
            }
            if chunks and setting is not None:
                with self._lock:
                    self._used |= {(chunk, setting) for chunk in chunks}

    def keep_vector(
        self,
        known: Known,
        content: bytes,
        identity: Identity | None,
        n_pixels: int,
        precision: str,
    ) -> None:
        """Remember the vector of a picture; ``precision`` is what it was really computed in."""
        if self._cache.is_off:
            return
        if self._vectors is None or precision != self._precision:
            self._precision = precision
            vectors = self._facts.vectors(precision)
            self._vectors = self._cache.ask(lambda store: store.setting(vectors, make=True), None)
        payload = known.row.astype(self._kind).tobytes()
        value = codec.pack(payload, n_pixels, codec.tag_of(content), known.note)
        self._keep(self._vectors, content, identity, value)

    def keep_reason(self, reason: str, content: bytes, identity: Identity | None) -> None:
        """Remember why a picture is skipped."""
        if self._reasons is None:
            setting = self._facts.reasons()
            self._reasons = self._cache.ask(lambda store: store.setting(setting, make=True), None)
        value = codec.pack(reason.encode("utf-8", "replace"), 0, codec.tag_of(content))
        self._keep(self._reasons, content, identity, value)

    def keep_identity(self, answer: Known | str, content: bytes, identity: Identity) -> None:
        """Remember that a file has a content that is known."""
        setting = self._reasons if isinstance(answer, str) else self._vectors
        self._keep(setting, content, identity, None)

    def _keep(
        self, setting: int | None, content: bytes, identity: Identity | None, value: bytes | None
    ) -> None:
        if setting is None:  # the cache has just failed
            return
        with self._lock:
            self._kept.append(Kept(setting, content, identity, value))
        since = time.monotonic() - self._kept_since
        if len(self._kept) >= KEPT_AT_ONCE or since > KEPT_FOR_S:
            self.flush()

    def close(self) -> None:
        """Write what is left, and let go of the store."""
        self.flush()
        self._cache.close()

    def flush(self) -> None:
        """Write what was kept; make room if the store has grown too large."""
        with self._lock:
            kept, self._kept = self._kept, []
            used, self._used = self._used, set()
            self._kept_since = time.monotonic()
        if not kept and not used:
            return
        now = int(time.time())
        self._cache.ask(lambda store: store.write(kept, used, now), None)
        if kept:
            self._cache.ask(lambda store: store.shrink(self._cache.limit_bytes), 0)
