"""Languages of labels: what a model that reads English cannot read.

A model answers foreign words as confidently as its own. Scripts are certain; of languages in Latin
letters only common words are known, so a set of other words passes unnoticed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

# Characters without a shape: soft hyphen, zero-width space, word joiner, byte order mark, marks of
# direction and their like. The joiners U+200C and U+200D are not among them: Persian spelling and
# emoji need those.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_LOOK_ALIKES = frozenset({"LATIN", "CYRILLIC", "GREEK"})  # scripts that share shapes
_WORDS = {
    "German": "hund katze pferd kuh vogel baum haus blume fisch schwein schaf apfel wald berg frau "
    "mann stuhl tisch schiff flugzeug fahrrad brücke löwe hündchen zug strand",
    "French": "chien cheval vache oiseau arbre maison voiture fleur poisson cochon mouton pomme "
    "forêt montagne femme homme chaise bateau avion vélo pont plage",
    "Spanish": "perro gato caballo vaca pájaro árbol coche flor cerdo oveja manzana bosque montaña "
    "mujer hombre silla barco avión bicicleta puente oso león playa",
    "Italian": "gatto cavallo mucca uccello albero macchina fiore pesce maiale pecora mela bosco "
    "montagna donna uomo sedia aereo ponte orso leone spiaggia",
    "Portuguese": "cachorro gato cavalo vaca pássaro árvore carro peixe porco ovelha maçã floresta "
    "montanha mulher homem cadeira avião ponte urso leão praia",
    "Dutch": "hond paard koe vogel huis bloem varken schaap appel vrouw stoel vliegtuig fiets brug "
    "leeuw strand",
}
NOT_LATIN = "not in Latin letters"
_LEAST_WORDS = 2  # of a language: one may be a name


def without_invisible(text: str) -> str:
    """Return text without characters that nobody sees and a tokenizer does."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def scripts_of(text: str) -> set[str]:
    """Return the scripts of a text's letters, as Unicode calls them.

    >>> sorted(scripts_of("cat Кот 猫"))
    ['CJK', 'CYRILLIC', 'LATIN']
    """
    if text.isascii():
        return {"LATIN"} if any(map(str.isalpha, text)) else set()
    names = (unicodedata.name(letter, "") for letter in text if letter.isalpha())
    return {re.split("[ -]", name, maxsplit=1)[0] for name in names if name}


def mixed_words(text: str) -> list[str]:
    """Return the words that mix letters of scripts whose letters look alike."""
    return [word for word in text.split() if len(scripts_of(word) & _LOOK_ALIKES) > 1]


def is_foreign_script(text: str) -> bool:
    """Say whether a text has letters that are not Latin ones."""
    return bool(scripts_of(text) - {"LATIN", "FULLWIDTH", "MODIFIER", "FEMININE", "MASCULINE"})


def foreign_labels(names: Sequence[str]) -> tuple[str, list[str]]:
    """Return labels that are not English and what they are; none where nothing shows it.

    Returns
    -------
    str, list of str
        ``"German"``, or ``NOT_LATIN``; and the labels that show it.
    """
    others = [name for name in names if is_foreign_script(name)]
    if others:
        return NOT_LATIN, others
    folded = {" ".join(name.casefold().split()): name for name in names}
    found = {language: _known(folded, words.split()) for language, words in _WORDS.items()}
    language = max(found, key=lambda each: len(found[each]))
    known = [folded[word] for word in found[language]]
    return (language, known) if len(known) >= min(_LEAST_WORDS, len(names)) else ("", [])


def _known(folded: Iterable[str], words: Sequence[str]) -> list[str]:
    return [name for name in folded if name in words]
