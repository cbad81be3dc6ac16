"""Play the pointing game with explain's maps: a table for docs/explain.md.

    python tests/benchmarks/bench_pointing.py --mosaics caltech101/ --boxes voc.json JPEGImages/

A mosaic is made of the middle squares of pictures of different classes, from any folder that has a
folder a class; where there are too few classes, one picture lies among others of another class.
All classes are asked for together. For each label that is in a picture, the best place of its map
has to lie in a tile or an annotated box of it (Zhang et al. 2016, arXiv:1608.00507, without their
margin of 15 pixels). Beside explain: the middle of the picture, Grad-CAM, and crops.

In brackets stand the pairs whose tile, or largest box, classify names rightly when it sees that
alone: what the model does not know it cannot point at.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pointing_ways import Centre, Crops, Explain, GradCam, Point, Way

from clipcli import Classifier
from clipcli.errors import ImageError
from clipcli.images.class_tree import read_class_tree
from clipcli.images.decode import decode_image
from clipcli.images.find import FindReport, ImageFile
from clipcli.labels.label_set import LabelSet
from clipcli.models.resolve import open_named
from clipcli.workflows.evaluation.chance import share_interval
from clipcli.workflows.locate.annotations import read_annotations

TILE_PX = 192
Box = tuple[float, float, float, float]  # left, top, right, bottom
WAYS = ("centre", "Grad-CAM", "Grad-CAM, twice the size", "crops", "explain")


@dataclass(frozen=True)
class Scene:
    """A picture, and where each label is that is in it."""

    picture: Image.Image
    places: dict[str, list[Box]]


@dataclass(frozen=True)
class Game:
    """Scenes of one kind, and the labels that are asked for in all of them."""

    name: str
    labels: tuple[str, ...]
    scenes: list[Scene]


@dataclass(frozen=True)
class Played:
    """Which pairs of a scene and a label were hit, by each way, and which the model knows."""

    hits: dict[str, list[bool]]
    is_known: list[bool]


def mosaics(folder: str, side: int, n: int) -> Game:
    """Make ``n`` mosaics of ``side`` times ``side`` pictures."""
    tree, of_class = read_class_tree(folder), {}
    for entry in tree.find(FindReport()):
        if isinstance(entry, ImageFile) and (label := tree.label_of(entry.path)):
            of_class.setdefault(label, []).append(entry.path)
    draw = random.Random(side)
    classes, scenes = sorted(of_class), []
    is_odd_one_out = len(classes) < side**2
    while len(scenes) < n:
        if is_odd_one_out:
            one, other = draw.sample(classes, 2)
            chosen = [other] * side**2
            chosen[draw.randrange(side**2)] = one
        else:
            chosen = draw.sample(classes, side**2)
        picture = Image.new("RGB", (side * TILE_PX, side * TILE_PX))
        places: dict[str, list[Box]] = {}
        for i, label in enumerate(chosen):
            left, top = TILE_PX * (i % side), TILE_PX * (i // side)
            picture.paste(middle_square(decode_image(draw.choice(of_class[label]))), (left, top))
            if not is_odd_one_out or label == one:
                places[label] = [(left, top, left + TILE_PX, top + TILE_PX)]
        scenes.append(Scene(picture, places))
    kind = "one among others of another" if is_odd_one_out else f"{len(classes)} labels"
    return Game(f"{Path(folder).name}, {side} x {side}, {kind}", tuple(classes), scenes)


def middle_square(picture: Image.Image) -> Image.Image:
    """Return the middle of a picture as a tile."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    return picture.resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC, box=box)


def annotated(file: str, folder: str, n: int) -> Game:
    """Read at most ``n`` pictures with boxes, drawn from all."""
    known = read_annotations(Path(file))
    identities = sorted({key[0] for key in known.truths}, key=str)
    random.Random(0).shuffle(identities)
    scenes = []
    for identity in identities[:n]:
        try:
            picture = decode_image(Path(folder) / known.pictures[identity])
        except ImageError as error:
            raise SystemExit(str(error)) from error
        places = {}
        for category, name in known.categories.items():
            truth = known.truths.get((identity, category))
            if truth is not None and not truth.is_crowd.all():
                boxes = truth.boxes[~truth.is_crowd]
                places[name] = [(x, y, x + w, y + h) for x, y, w, h in boxes]
        scenes.append(Scene(picture, places))
    names = tuple(known.categories.values())
    return Game(f"{Path(file).stem}, {len(names)} labels", names, scenes)


def is_hit(point: Point, boxes: Sequence[Box]) -> bool:
    """Tell whether a point lies in one of the boxes."""
    x, y = point
    return any(left <= x < right and top <= y < bottom for left, top, right, bottom in boxes)


def known_alone(classifier: Classifier, scene: Scene) -> list[bool]:
    """Tell for each label of a scene whether classify names its tile or largest box rightly."""
    crops = [scene.picture.crop(tuple(map(round, largest(b)))) for b in scene.places.values()]
    answers = (classifier.encode_images(crops) @ classifier.classifier.T).argmax(axis=1)
    names = classifier.label_set.names
    return [names[i] == label for i, label in zip(answers, scene.places, strict=True)]


def largest(boxes: Sequence[Box]) -> Box:
    """Return the largest box, at least a pixel wide and high."""
    left, top, right, bottom = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def play(game: Game, model: str | None, wanted: Sequence[str]) -> Played:
    """Ask every way for each label that is in a scene."""
    classifier = Classifier(LabelSet.from_names(game.labels), model=model, device="cpu")
    source = open_named(model)
    make = {
        "centre": Centre,
        "Grad-CAM": lambda: GradCam(classifier, source),
        "Grad-CAM, twice the size": lambda: GradCam(classifier, source, 2.0),
        "crops": lambda: Crops(classifier),
        "explain": lambda: Explain(classifier, source),
    }
    ways: dict[str, Way] = {name: make[name]() for name in wanted}
    played = Played({name: [] for name in wanted}, [])
    for scene in game.scenes:
        labels = [game.labels.index(label) for label in scene.places]
        played.is_known.extend(known_alone(classifier, scene))
        for name, way in ways.items():
            points = way.points(scene.picture, labels)
            pairs = zip(points, scene.places.values(), strict=True)
            played.hits[name] += [is_hit(point, boxes) for point, boxes in pairs]
    return played


def games(options: argparse.Namespace) -> Iterator[Game]:
    """Make the games one after another."""
    for folder in options.mosaics:
        for side in options.sides:
            yield mosaics(folder, side, options.n)
    for file, folder in options.boxes:
        yield annotated(file, folder, options.n)


def cell(hits: Sequence[bool], is_known: Sequence[bool]) -> str:
    """Write down a share with its interval, and that of the known pairs, in per cent."""
    right = np.array(hits)
    found, among = share_interval(right), right[np.array(is_known)]
    known = f" [{100 * among.mean():.0f}]" if len(among) else ""
    return f"{100 * found.value:.0f} ({100 * found.low:.0f} to {100 * found.high:.0f}){known}"


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mosaics", nargs="*", default=[], help="folders of folders, one a class")
    parser.add_argument("--sides", nargs="+", type=int, default=[2, 3], help="tiles in a row")
    parser.add_argument("--boxes", nargs=2, action="append", default=[], help="FILE FOLDER")
    parser.add_argument("--model")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--n", type=int, default=200, help="pictures of a kind, at most")
    options = parser.parse_args()
    print("| pictures | pairs | known alone |", " | ".join(options.ways), "|")
    print("|---|---|---|" + "---|" * len(options.ways))
    for game in games(options):
        played = play(game, options.model, options.ways)
        n, known = len(played.is_known), 100 * np.mean(played.is_known)
        cells = [cell(hits, played.is_known) for hits in played.hits.values()]
        print(f"| {game.name} | {n:,} | {known:.0f} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
