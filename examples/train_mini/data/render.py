"""Pictures that no source has, drawn by our own code: papers, screens, spoiled photographs, skies.

    python -m data.render --photos DIR --out work/rendered

Writes ``NAME/NUMBER.jpg`` and ``captions.tsv`` (path, captions separated by ``|``). ``--photos`` is
any folder of training photographs, for what is made of photographs.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

from data import faults, papers, screens, weathers
from PIL import Image

Drawn = Callable[[random.Random], Image.Image]
Spoiled = Callable[[Image.Image, random.Random], Image.Image]

PAPERS: dict[str, tuple[Drawn, str]] = {
    "receipt": (papers.receipt, "receipt|till receipt|paper receipt"),
    "letter": (papers.letter, "document|letter|typed letter|page of printed text"),
    "invoice": (papers.invoice, "invoice|bill|document"),
    "form": (papers.form, "form|printed form|document"),
    "book": (papers.book_page, "book page|page of a book|page of printed text"),
    "newspaper": (papers.newspaper, "newspaper|newspaper page"),
    "note": (papers.note, "handwritten note|handwriting|page of handwritten text"),
    "whiteboard": (papers.whiteboard, "whiteboard|whiteboard with writing"),
    "map": (papers.street_map, "map|street map"),
    "plan": (papers.floor_plan, "floor plan|technical drawing"),
    "music": (papers.sheet_music, "sheet music|page of sheet music"),
    "code-square": (papers.code_square, "QR code|QR code or bar code|bar code"),
}
SCREENS: dict[str, tuple[Drawn, str]] = {
    "chat": (screens.chat, "screenshot of a chat|chat screenshot|screenshot|screenshot of a phone"),
    "web": (screens.web_page, "screenshot of a web page|web page screenshot|screenshot"),
    "code": (screens.code, "screenshot of program code|code screenshot|screenshot"),
    "table": (screens.spreadsheet, "spreadsheet|screenshot of a spreadsheet"),
    "phone": (screens.home_screen, "screenshot of a phone|app screenshot|screenshot"),
    "dialog": (screens.dialog, "error message|screenshot of an error message|screenshot"),
    "bars": (screens.bar_chart, "bar chart|chart|graph|diagram"),
    "lines": (screens.line_chart, "line chart|chart|graph|diagram"),
    "pie": (screens.pie_chart, "pie chart|chart|diagram"),
    "slide": (screens.slide, "presentation slide|slide of a presentation with bullet points"),
    "logo": (screens.logo, "logo|company logo"),
    "night": (faults.night_lights, "city lights at night|night lights|city at night"),
    "fireworks": (faults.fireworks, "fireworks|fireworks in the night sky"),
}
PHOTOS: dict[str, tuple[Spoiled, str]] = {
    "blurry": (faults.blurry, "blurry photo|out-of-focus photo|very blurry photo"),
    "dark": (faults.dark, "dark photo|underexposed photo|photo that is almost black"),
    "bright": (faults.bright, "overexposed photo|photo that is too bright"),
    "grey": (faults.grey, "black and white photograph|black and white photo|monochrome photo"),
    "sepia": (faults.sepia, "sepia photo|faded old photo"),
    "meme": (faults.meme, "meme|funny picture with large text on it"),
}
SKIES: dict[str, tuple[Spoiled, str]] = {
    "sunrise": (weathers.sunrise, "sunrise|sunset|orange sky at dusk|sunset over the land"),
    "sunshine": (weathers.sunshine, "sunshine|sunny day|bright sun in a blue sky|sunny weather"),
    "blue-sky": (weathers.blue_sky, "clear blue sky|blue sky without clouds|sunny day"),
    "cloudy": (weathers.cloudy, "cloudy sky|clouds|overcast sky|cloudy day"),
    "fog": (weathers.fog, "fog|foggy day|misty landscape|trees in thick fog"),
    "rain": (weathers.rain, "rain|rainy day|rain on a window|wet street in the rain"),
    "snowfall": (weathers.snowfall, "snowfall|falling snow|snowy day|snowstorm"),
    "storm": (weathers.storm, "lightning|thunderstorm|lightning in a dark sky"),
    "stars": (weathers.stars, "starry night sky|stars|night sky"),
    "rainbow": (weathers.rainbow, "rainbow|rainbow in the sky"),
}
COLLAGE = "collage of photos|collage of several photos"


def draw(name: str, chance: random.Random, photos: list[Path]) -> tuple[Image.Image, str]:
    """Make one picture of a kind; return it with its captions."""
    if name in PAPERS:
        make, captions = PAPERS[name]
        sheet = make(chance)
        return (faults.phone_photo(sheet, chance) if chance.random() < 0.7 else sheet), captions
    if name in SCREENS:
        make, captions = SCREENS[name]
        return make(chance), captions
    opened = [Image.open(path).convert("RGB") for path in chance.sample(photos, 4)]
    if name == "collage":
        return faults.collage(opened, chance), COLLAGE
    spoil, captions = (PHOTOS | SKIES)[name]
    return spoil(opened[0], chance), captions


def main() -> None:
    """Draw all kinds, the same ones for the same seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--outdoors", type=Path, help="photographs to put under skies; as --photos")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=360)
    parser.add_argument("--seed", type=int, default=14)
    options = parser.parse_args()
    photos = sorted(options.photos.glob("*.jpg"))
    outdoors = sorted((options.outdoors or options.photos).glob("*.jpg"))
    rows = []
    for name in (*PAPERS, *SCREENS, *PHOTOS, "collage", *SKIES):
        chance = random.Random(f"{options.seed} {name}")  # noqa: S311 (drawing, not secrets)
        (options.out / name).mkdir(parents=True, exist_ok=True)
        for number in range(options.each):
            picture, captions = draw(name, chance, outdoors if name in SKIES else photos)
            path = f"{name}/{number}.jpg"
            picture.save(options.out / path, quality=chance.randint(70, 95))
            rows.append(f"{path}\t{captions}\n")
    (options.out / "captions.tsv").write_text("path\tcaptions\n" + "".join(rows), encoding="utf-8")
    print(f"{len(rows)} pictures")


if __name__ == "__main__":
    main()
