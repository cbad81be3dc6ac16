"""Where the calibrations of a label set are kept; most runs only look whether there are any."""

from __future__ import annotations

from pathlib import Path

from clipcli.labels.label_set import BUILT_IN, INLINE, LabelSet

ENDING = ".calibration.json"
HASH_CHARACTERS = 16  # of an inline set's hash, in a file name


def default_path(label_set: LabelSet) -> Path:
    """Return where a label set's calibrations are kept.

    Beside a label file; those of built-in and inline sets in the user's configuration.
    """
    if label_set.source not in (BUILT_IN, INLINE):
        return Path(label_set.source + ENDING)
    import platformdirs

    folder = platformdirs.user_config_path("clipcli", appauthor=False) / "calibrations"
    is_built_in = label_set.source == BUILT_IN
    name = label_set.name if is_built_in else f"{INLINE}-{label_set.hash[:HASH_CHARACTERS]}"
    return folder / (name + ENDING)
