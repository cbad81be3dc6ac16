"""Prompts: templates by name, by file or inline, and how they are filled.

``{}`` in a template stands for the label's word and is replaced plainly: no article is guessed
("a photo of a apple."), as the reference implementations do it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

from clipcli.errors import TemplateError
from clipcli.files import as_path, has_file_look, is_file, numbered_lines, read_text
from clipcli.labels.label import MAX_CHARACTERS, SYNONYM_MARK, Label

PLACEHOLDER = "{}"
MAX_TEMPLATES = 1000  # ImageNet's 80 are the longest list in use
MAX_PLACEHOLDERS = 10  # in one template
DEFAULT_TEMPLATES = "photo"

TEMPLATE_SETS = MappingProxyType(
    {
        # Photographs of things, near and far, good and bad: the default.
        "photo": (
            "a photo of a {}.",
            "a photo of the {}.",
            "a close-up photo of a {}.",
            "a {} seen from a distance.",
            "a bright, clear photo of a {}.",
            "a dim, blurry photo of a {}.",
            "a snapshot with a {} in it.",
        ),
        # The words alone: for labels that are whole phrases already.
        "plain": ("{}",),
        # One sentence: for quick looks and for large label sets.
        "single": ("a photo of a {}.",),
        # Places and surroundings, where "a photo of a" sounds wrong.
        "scene": (
            "a photo of a {}.",
            "a wide view of a {}.",
            "a photo taken in a {}.",
            "a place: {}.",
        ),
        # What people do: verbs and sports.
        "action": (
            "a photo of a person doing {}.",
            "people doing {}.",
            "a photo of {}.",
            "someone during {}.",
        ),
        # Drawn by hand with lines.
        "sketch": (
            "a sketch of a {}.",
            "a pencil drawing of a {}.",
            "a line drawing of a {}.",
            "a rough doodle of a {}.",
        ),
        # Made by artists: paint, print, cartoon, sculpture.
        "art": (
            "a painting of a {}.",
            "an artwork that shows a {}.",
            "an illustration of a {}.",
            "a cartoon of a {}.",
            "a sculpture of a {}.",
        ),
        # Made by computers: screens, icons, renderings.
        "screenshot": (
            "a screenshot of a {}.",
            "a computer screen that shows a {}.",
            "a {} in an app.",
            "a web page with a {}.",
        ),
        # On paper: scanned or photographed pages.
        "document": (
            "a scan of a {}.",
            "a photo of a {} on paper.",
            "a printed {}.",
            "a page of a {}.",
        ),
        # From above: satellites, aeroplanes, drones.
        "satellite": (
            "a satellite image of a {}.",
            "an aerial photo of a {}.",
            "a {} seen from above.",
            "a drone photo of a {}.",
        ),
        # Surfaces and materials.
        "texture": (
            "a photo of a {} texture.",
            "a {} surface.",
            "a close-up of {}.",
            "the texture of {}.",
        ),
    }
)


def prompts_for_label(label: Label, templates: Iterable[str]) -> tuple[str, ...]:
    """Return every prompt whose average describes the label, without repeats.

    Parameters
    ----------
    label
        The label; its name and each synonym fill each template, codes aside.
    templates
        Sentences with ``{}``; none at all leaves the label's own prompts.

    Returns
    -------
    tuple of str
        Words times templates, word by word, then the label's prompts as written.

    Examples
    --------
    >>> from clipcli.labels.label import Label
    >>> prompts_for_label(Label("dog", synonyms=("puppy",)), ["a photo of a {}."])
    ('a photo of a dog.', 'a photo of a puppy.')
    """
    templates = tuple(templates)
    filled = [fill(template, word) for word in label.spoken for template in templates]
    return tuple(dict.fromkeys([*filled, *label.prompts]))


def fill(template: str, word: str) -> str:
    """Replace every ``{}``; one that is part of the word itself stays."""
    return template.replace(PLACEHOLDER, word)


def choose_templates(
    given: str | None,
    from_label_set: tuple[str, ...] | None,
    from_model: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Return the templates in force: the option's, the label set's, the model's, or ``photo``.

    Subtle: a label set may say ``templates: []`` (its own prompts only), so that an empty tuple
    from it counts; only ``None`` is silence.
    """
    if given is not None:
        return load_templates(given)
    if from_label_set is not None:
        return from_label_set
    where = "the model's own templates"
    several_templates((checked_template(each, where) for each in from_model), where)
    return from_model or TEMPLATE_SETS[DEFAULT_TEMPLATES]


def load_templates(spec: str) -> tuple[str, ...]:
    """Return the templates that ``--templates`` names.

    Parameters
    ----------
    spec
        Inline templates with ``{}``, separated by ``|``; or a file, one template a line and
        ``#`` for comments; or the name of a set in ``TEMPLATE_SETS``, several with commas.

    Raises
    ------
    TemplateError
        For an unknown name, a missing file, or a template without ``{}``.

    Examples
    --------
    >>> load_templates("a photo of a {}. | a drawing of a {}.")
    ('a photo of a {}.', 'a drawing of a {}.')
    >>> load_templates("plain")
    ('{}',)
    """
    if PLACEHOLDER in spec:
        parts = spec.split(SYNONYM_MARK)
        return several_templates(
            (checked_template(part, "--templates") for part in parts), "--templates"
        )
    path = as_path(spec)
    if spec.strip() and is_file(path):
        return read_template_file(path)
    if has_file_look(spec, (".txt",)):
        raise TemplateError(
            f"{spec}: no such template file",
            hint="check the path, or write a template with {} in it",
        )
    sets = [template_set(name.strip()) for name in spec.split(",")]
    return tuple(dict.fromkeys(template for one in sets for template in one))


def template_set(name: str, where: str = "--templates") -> tuple[str, ...]:
    """Return a named set, or say which names there are."""
    if name in TEMPLATE_SETS:
        return TEMPLATE_SETS[name]
    close = difflib.get_close_matches(name.lower(), TEMPLATE_SETS, n=1)
    known = ", ".join(TEMPLATE_SETS)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise TemplateError(
        f"{where}: there is no template set named {name!r}",
        hint=f"{hint}the sets are {known}; a template of your own contains {{}}",
    )


def read_template_file(path: Path) -> tuple[str, ...]:
    """Read one template a line."""
    lines = numbered_lines(read_text(path, TemplateError))
    templates = tuple(checked_template(line, f"{path}:{number}") for number, line in lines)
    if not templates:
        raise TemplateError(f"{path}: has no templates", hint="write one a line, with {} in it")
    return several_templates(templates, str(path))


def several_templates(templates: Iterable[str], where: str) -> tuple[str, ...]:
    """Return each template once; more than clipcli fills are refused."""
    once = tuple(dict.fromkeys(templates))
    if len(once) > MAX_TEMPLATES:
        raise TemplateError(
            f"{where}: has {len(once):,} templates", hint=f"{MAX_TEMPLATES:,} are allowed"
        )
    return once


def checked_template(text: str, where: str) -> str:
    """Return the template stripped; without ``{}`` every label would get the same prompt."""
    if len(text) > MAX_CHARACTERS:
        raise TemplateError(
            f"{where}: a template of {len(text):,} characters",
            hint=f"{MAX_CHARACTERS:,} are allowed",
        )
    text = text.strip()
    if text.count(PLACEHOLDER) > MAX_PLACEHOLDERS:
        raise TemplateError(
            f"{where}: a template with {text.count(PLACEHOLDER):,} {{}}",
            hint=f"{MAX_PLACEHOLDERS} are allowed",
        )
    if PLACEHOLDER not in text:
        raise TemplateError(
            f"{where}: template {text!r} has no {{}}",
            hint="write {} where the label goes, as in 'a photo of a {}.'",
        )
    return text
