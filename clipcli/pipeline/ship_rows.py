"""Renewing the label rows that are shipped with the bundled model, and the hash of its files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.labels.label_set import builtin_label_sets, load_label_set
from clipcli.labels.templates import choose_templates
from clipcli.models.fingerprint import write_shipped
from clipcli.models.folder import builtin_model_folder, open_model_folder
from clipcli.pipeline.label_rows import encode_missing, keyed_prompts
from clipcli.pipeline.shipped_rows import FILE_NAME, write_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder.encoder import Encoder


def rows_of_built_in_sets(encoder: Encoder) -> dict[str, NDArray[np.float32]]:
    """Encode all labels and reject prompts of all built-in sets, under their own templates.

    A label whose prompts are too long for the model is left to the run, which says so.
    """
    prompts: dict[str, tuple[str, ...]] = {}
    for name in builtin_label_sets():
        label_set = load_label_set(name)
        templates = choose_templates(None, label_set.templates, encoder.config.templates)
        prompts |= keyed_prompts(label_set, templates, encoder)
    return {key: row.row for key, row in encode_missing(prompts, encoder) if not row.cut}


def main() -> None:
    """Renew the files of the bundled model, or write those of a folder that will be it."""
    from clipcli.encoder.encoder import load_encoder

    folder = Path(sys.argv[1]) if sys.argv[1:] else builtin_model_folder()
    encoder = load_encoder(str(folder), "cpu", "fp32", "torch")
    write_rows(folder / FILE_NAME, encoder.config, rows_of_built_in_sets(encoder))
    write_shipped(open_model_folder(folder))


if __name__ == "__main__":
    main()
