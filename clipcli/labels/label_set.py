"""Label sets: what ``--labels X`` means, and which sets are built in."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clipcli import files
from clipcli.errors import LabelSetError
from clipcli.files import as_path, has_file_look, is_file
from clipcli.labels.files import LABEL_FILE_ENDINGS, read_label_file
from clipcli.labels.label import Label, check_labels, checked_text, label_from_text

__all__ = ["Label", "LabelSet", "builtin_label_sets", "load_label_set"]

BUILT_IN = "built-in"
INLINE = "inline"


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels to choose from, and how they are turned into prompts.

    Parameters
    ----------
    name
        What the set is called in results.
    labels
        The labels, in the order of their scores.
    templates
        The set's own templates; ``None`` leaves the choice to the model or the default, an
        empty tuple uses the labels' own prompts only.
    reject
        Prompts that stand for "none of these".
    source
        A path, ``"built-in"`` or ``"inline"``.

    Examples
    --------
    >>> LabelSet.from_names(["cat", "dog"]).names
    ('cat', 'dog')
    """

    name: str
    labels: tuple[Label, ...]
    templates: tuple[str, ...] | None = None
    reject: tuple[str, ...] = ()
    source: str = INLINE
    description: str = ""

    @classmethod
    def load(cls, spec: str) -> LabelSet:
        """Return what ``--labels SPEC`` means: a file, labels with commas, or a built-in set."""
        return load_label_set(spec)

    @classmethod
    def from_names(cls, names: Iterable[str | Label], *, name: str = INLINE) -> LabelSet:
        """Return a set of the given names, taken as they are, or of ready-made labels."""
        labels = tuple(
            one if isinstance(one, Label) else Label(checked_text(one, "label", name))
            for one in names
        )
        check_labels(labels, name)
        return cls(name=name, labels=labels)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names, in order."""
        return tuple(label.name for label in self.labels)

    @property
    def hash(self) -> str:
        """The sha256 of what decides the scores; the same whatever file it was written in."""
        content = {
            "labels": [
                {
                    "name": label.name,
                    "synonyms": label.synonyms,
                    "prompts": label.prompts,
                    "parent": label.parent,
                    "threshold": None if label.threshold is None else float(label.threshold),
                }
                # Sets without rules keep the hash that they had before there were any.
                | ({"rule": label.rule} if label.rule else {})
                for label in self.labels
            ],
            "templates": self.templates,
            "reject": self.reject,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def check(self, *, is_choice: bool = True) -> None:
        """Refuse a set that is no choice, also one that was put together in Python.

        A softmax over a single label is always 1; reject prompts make it a real question, and so
        does asking each label by itself.
        """
        check_labels(self.labels, self.source)
        if is_choice and len(self.labels) == 1 and not self.reject:
            raise LabelSetError(
                f"{self.source}: {self.names[0]!r} is the only label, "
                "so every picture would get it with probability 1",
                hint="add labels to choose from, or 'reject' prompts in a YAML label file",
            )


def load_label_set(spec: str) -> LabelSet:
    """Return the label set that ``--labels`` names.

    Parameters
    ----------
    spec
        An existing file; or labels with commas between them (``cat, dog | puppy``); or the name
        of a built-in set. What ends like a label file or has a folder separator, and does not
        exist, is always an error.

    Returns
    -------
    LabelSet

    Raises
    ------
    LabelSetError
        With the file and line of what is wrong, or with what may have been meant.

    Examples
    --------
    >>> load_label_set("cat, dog | puppy").labels[1].synonyms
    ('puppy',)
    """
    path = as_path(spec)
    if spec and is_file(path):
        return _read_set(path, path.stem, str(path))
    if "," in spec:
        return _inline_set(spec)
    built_in = builtin_label_sets()
    if spec in built_in:
        return _read_set(built_in[spec], spec, BUILT_IN)
    raise _not_found(spec, path, built_in)


def builtin_label_sets() -> dict[str, Path]:
    """Return the sets that come with clipcli by name.

    An installed wheel carries them inside the package, a checkout beside it.
    """
    for folder in (files.PACKAGE / "label_sets", files.PACKAGE.parent / "label_sets"):
        if folder.is_dir():
            found = (path for path in folder.iterdir() if path.suffix in LABEL_FILE_ENDINGS)
            return {path.stem: path for path in sorted(found)}
    return {}


def _read_set(path: Path, name: str, source: str) -> LabelSet:
    document = read_label_file(path)
    check_labels(document.labels, str(path))
    for label in document.labels:
        if document.templates == () and not label.prompts:
            raise LabelSetError(
                f"{path}:{label.line}: label {label.name!r} has no prompts, "
                "and 'templates' is empty",
                hint="give it prompts, or remove 'templates'",
            )
    return LabelSet(
        name=document.name or name,
        labels=document.labels,
        templates=document.templates,
        reject=document.reject,
        source=source,
        description=document.description,
    )


def _inline_set(spec: str) -> LabelSet:
    labels = tuple(label_from_text(part, "--labels") for part in spec.split(","))
    for label in labels:
        if label.name.lower().endswith(LABEL_FILE_ENDINGS):
            raise LabelSetError(
                f"{label.name}: is a label file's name among labels with commas",
                hint="give one file, or labels; join files into one first",
            )
    check_labels(labels, "--labels")
    return LabelSet(name=INLINE, labels=labels)


def _not_found(spec: str, path: Path, built_in: dict[str, Path]) -> LabelSetError:
    looks_like_file = has_file_look(spec, LABEL_FILE_ENDINGS)
    if looks_like_file or spec in (".", ".."):
        return _missing_file(path, built_in)
    return _unknown_name(spec, built_in)


def _missing_file(path: Path, built_in: Iterable[str]) -> LabelSetError:
    if path.is_dir():
        return LabelSetError(f"{path}: is a folder, not a label file", hint="name a file in it")
    if not path.parent.is_dir():
        return LabelSetError(f"{path}: no such label file", hint=f"no folder {path.parent} either")
    nearby = {
        other.name: str(other)
        for other in _listed(path.parent)
        if other.suffix.lower() in LABEL_FILE_ENDINGS
    }
    near = [nearby[name] for name in difflib.get_close_matches(path.name, nearby, n=2)]
    near += difflib.get_close_matches(path.stem.lower(), built_in, n=1)
    hint = f"did you mean {_either(near)}?" if near else "check the path"
    return LabelSetError(f"{path}: no such label file", hint=hint)


def _unknown_name(spec: str, built_in: dict[str, Path]) -> LabelSetError:
    nearby = [p.name for p in _listed(Path()) if p.suffix.lower() in LABEL_FILE_ENDINGS]
    near = difflib.get_close_matches(spec.lower(), built_in, n=1)
    near += difflib.get_close_matches(spec, nearby, n=1)
    near += [name for name in nearby if Path(name).stem == spec and name not in near]
    meant = f"did you mean {_either(near)}? " if near else ""
    return LabelSetError(
        f"{spec!r} is neither a label file nor a built-in label set",
        hint=f"{meant}labels inline need a comma ('cat,dog'); "
        f"built in are {', '.join(built_in) or 'none'}",
    )


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _either(names: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(names))
