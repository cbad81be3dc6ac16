"""Making a model ready for ONNX Runtime: its graph, quantised or not, compared.

``python -m clipcli.encoder.onnx.export FOLDER`` writes the graphs of a model folder of ours beside
its weights, as the bundled model has it. Without a folder it is the process of its own in which
:mod:`clipcli.encoder.exports` makes other models ready: torch takes much memory.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from clipcli.encoder.comparison import compare_to_torch
from clipcli.encoder.onnx.places import PLACES_NAME
from clipcli.encoder.onnx.runner import GRAPH_NAME, OnnxTower, images_at_once
from clipcli.models.config import EfficientNetLite
from clipcli.models.open import open_model
from clipcli.models.source import ModelSource

PLAIN_NAME = "plain.onnx"


def export(source: ModelSource, precision: str, folder: Path) -> None:
    """Write a model into ``folder``, and how far it is from torch."""
    from clipcli.encoder.torch.onnx_graph import write_graph

    n = images_at_once(source, precision)
    if precision == "int8":
        from clipcli.encoder.onnx.quantise import quantise

        write_graph(source, folder / PLAIN_NAME, n)
        quantise(folder / PLAIN_NAME, folder / GRAPH_NAME, source)
    else:
        write_graph(source, folder / GRAPH_NAME, n)
    tower = OnnxTower(folder / GRAPH_NAME, source)
    compare_to_torch(source, tower.encode).write(folder)


def export_beside(folder: Path) -> None:
    """Write the graphs of a model folder of ours, which read the weights that lie there."""
    from clipcli.encoder.torch.onnx_graph import write_graph, write_places

    source = open_model(folder)
    write_graph(source, folder / GRAPH_NAME, images_at_once(source, "fp32"))
    tower = OnnxTower(folder / GRAPH_NAME, source)
    compare_to_torch(source, tower.encode).check("onnx in fp32", source.config.name, "fp32")
    if isinstance(source.config.architecture.image, EfficientNetLite):
        write_places(source, folder / PLACES_NAME)


def main() -> None:
    """Do what the arguments, or the process that started this one, ask for."""
    if sys.argv[1:]:
        for folder in sys.argv[1:]:
            export_beside(Path(folder))
        return
    source, precision, folder, _ = pickle.load(sys.stdin.buffer)  # noqa: S301  # from ourselves
    export(source, precision, Path(folder))


if __name__ == "__main__":
    main()
