"""How well files tell what their pictures are, without a model and beside one.

    python tests/benchmarks/bench_origin.py DIR… [-n 100] [--keep DIR]

Each DIR has photographs. Screenshots, slides and posters are rendered by Chromium from pages of our
own (``screenshots.py``); photographs are also cut to the sizes of screens, with and without a
camera's EXIF, in several formats, which is what could be mistaken. Prints for each kind what its
files told, and how many of it `camera-roll` calls a screenshot with the rules and without.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from PIL import Image, ImageOps
from screenshots import SHEETS, draw, scan, take

from clipcli.images.find import find_images
from clipcli.images.origin import ORIGINS, read_origin
from clipcli.images.screens import COMPUTERS, MEDIA, PHONES, TABLETS
from clipcli.pipeline.classifier import Classifier
from clipcli.results import Classified, Skipped

SEED = 20
SIZES = sorted(PHONES | TABLETS | COMPUTERS | MEDIA)
PAGES = [(round(one.width * one.scale), round(one.height * one.scale)) for one in SHEETS]
KINDS: tuple[tuple[str, dict[str, int]], ...] = (
    ("jpg", {"quality": 92}),
    ("jpg", {"quality": 60}),
    ("jpg", {"quality": 30}),
    ("png", {}),
    ("webp", {"quality": 60}),
)


def main() -> int:
    """Make the pictures, and print a table of what is told of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="DIR", help="photographs")
    parser.add_argument("-n", type=int, default=100, help="screenshots, and slides and posters")
    parser.add_argument("--most", type=int, default=300, help="photographs at most")
    parser.add_argument("--untold", action="store_true", help="do not ask the model")
    parser.add_argument("--keep", type=Path, help="a folder for the pictures that are made")
    given = parser.parse_args()
    photographs = [Path(x.path) for x in find_images(given.folders) if not isinstance(x, Skipped)]
    chance = random.Random(SEED)
    photographs = sorted(chance.sample(photographs, min(given.most, len(photographs))))
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        groups = {
            "screenshots": take(folder / "screenshots", given.n, photographs, SEED),
            "slides and posters": draw(folder / "slides", given.n, photographs, SEED),
            "scanned pages": scan(folder / "pages", given.n, photographs, SEED),
            "photographs": photographs,
            "photographs of a screen's size": _cut(photographs, folder / "cut", SIZES),
            "the same with a camera's EXIF": _cut(
                photographs, folder / "exif", SIZES, has_exif=True
            ),
            "photographs of a page's size": _cut(photographs, folder / "sheets", PAGES),
        }
        _report(groups, is_asked=not given.untold)
    return 0


def _cut(
    photographs: list[Path], folder: Path, sizes: list[tuple[int, int]], *, has_exif: bool = False
) -> list[Path]:
    """Write each photograph at one of some sizes, upright or across."""
    folder.mkdir(parents=True, exist_ok=True)
    chance, files = random.Random(SEED), []
    for i, path in enumerate(photographs):
        width, height = chance.choice(sizes)
        size = (width, height) if chance.random() < 0.5 else (height, width)
        ending, options = KINDS[i % len(KINDS)]
        files.append(folder / f"{i:03d}-{path.stem}.{ending}")
        with Image.open(path) as image:
            cut = ImageOps.fit(image.convert("RGB"), size)
        exif = Image.Exif()
        if has_exif:
            exif[0x010F], exif[0x0110] = "Camera works", "C-1"
            exif.get_ifd(0x8769)[0x829D] = 2.8
        cut.save(files[-1], exif=exif, **options)
    return files


def _report(groups: dict[str, list[Path]], *, is_asked: bool) -> None:
    with_rules = Classifier(labels="camera-roll")
    without = Classifier(labels="camera-roll", no_rules=True)
    heading = ("pictures", "n", "told: screenshot", "other", "nothing", "called one", "no rules")
    print("| " + " | ".join(heading) + " |\n" + "|---" * len(heading) + "|")
    for name, files in groups.items():
        told = Counter(_in_words(read_origin(file)) for file in files)
        others = {key: n for key, n in told.items() if key not in ("screenshot", "")}
        cells = (
            name,
            len(files),
            told["screenshot"],
            ", ".join(f"{key} {n}" for key, n in others.items()) or 0,
            told[""],
            _n_called(with_rules, files) if is_asked else "",
            _n_called(without, files) if is_asked else "",
        )
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def _in_words(flags: int) -> str:
    return " and ".join(name for name, flag in ORIGINS.items() if flags & flag)


def _n_called(classifier: Classifier, files: list[Path]) -> int:
    results = classifier.classify(map(str, files))
    return sum(isinstance(r, Classified) and r.label == "screenshot" for r in results)


if __name__ == "__main__":
    sys.exit(main())
