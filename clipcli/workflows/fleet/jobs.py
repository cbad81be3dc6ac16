"""What a worker does with pictures: answers, vectors or boxes, and the document they go into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from clipcli.output.box_table import BoxDocument
from clipcli.output.formats import Sink
from clipcli.output.result_table import ParquetDocument
from clipcli.output.vectors import VectorDocument

if TYPE_CHECKING:
    from clipcli.encoder.encoder import Encoder
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.inputs import Input
    from clipcli.pipeline.locating.opened import Opened
    from clipcli.workflows.fleet.recipe import Recipe


class Job(Protocol):
    """One kind of work; the model is loaded when the first picture needs it."""

    def open_document(self, sink: Sink) -> Any:
        """Begin a part."""

    def results(self, inputs: Iterator[Input]) -> Iterator[Any]:
        """Yield what goes into a part, one for each input."""

    def finish(self, document: Any, counts: dict[str, int]) -> None:
        """Write where the rows come from; without times: a shard done twice is the same."""


def job_of(recipe: Recipe) -> Job:
    """Return the work that a recipe describes."""
    kinds: dict[str, type[_Classifying | _Embedding | _Locating]] = {
        "classify": _Classifying,
        "embed": _Embedding,
        "locate": _Locating,
    }
    return kinds[recipe.task](recipe)


class _Classifying:
    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    @cached_property
    def _classifier(self) -> Classifier:
        return self._recipe.open_classifier(self._recipe.open_encoder())

    def open_document(self, sink: Sink) -> Any:
        return ParquetDocument(sink)

    def results(self, inputs: Iterator[Input]) -> Iterator[Any]:
        yield from self._classifier.classify_found(inputs)

    def finish(self, document: Any, counts: dict[str, int]) -> None:
        from clipcli.pipeline.provenance import describe

        document.finish(replace(describe(self._classifier, "", counts), finished=""), None)


class _Embedding:
    def __init__(self, recipe: Recipe) -> None:
        self._recipe, self._model = recipe, replace(recipe.model, no_cache=True)

    @cached_property
    def _encoder(self) -> Encoder:
        return self._recipe.open_encoder()

    def open_document(self, sink: Sink) -> Any:
        return VectorDocument(sink, self._encoder.config.architecture.embed_dim)

    def results(self, inputs: Iterator[Input]) -> Iterator[Any]:
        from clipcli.pipeline.embed import embed

        yield from chain.from_iterable(embed(inputs, self._encoder, self._model.decoding()))

    def finish(self, document: Any, counts: dict[str, int]) -> None:
        from clipcli.pipeline.provenance import describe_vectors

        cache, is_exact = self._model.image_cache(), self._model.exact
        fields = describe_vectors(self._encoder, cache, "", counts, is_exact=is_exact)
        document.finish(fields | {"finished": "", "error": None})


class _Locating:
    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    @cached_property
    def _opened(self) -> Opened:
        return self._recipe.open_locating()

    def open_document(self, sink: Sink) -> Any:
        return BoxDocument(sink)

    def results(self, inputs: Iterator[Input]) -> Iterator[Any]:
        yield from self._opened.locate(inputs)

    def finish(self, document: Any, counts: dict[str, int]) -> None:
        self._opened.load()  # or a part without a picture would not say where it was made
        document.finish(self._opened.provenance("", counts) | {"finished": "", "error": None})
