"""Play the pointing game with explain's maps: a table for docs/explain.md.

    python tests/benchmarks/bench_pointing.py --mosaics caltech101/ --boxes voc.json JPEGImages/

A mosaic is made of the middle squares of pictures of different classes, from any folder that has a
folder a class; where there are too few classes, one picture lies among others of another class.
For each label that is in a picture, the best place of its map has to lie in a tile or an annotated
box of it (Zhang et al. 2016, arXiv:1608.00507, without their margin of 15 pixels). Beside explain:
the middle of the picture, Grad-CAM, and crops.

``--asked all`` asks for all classes of the folder together, ``own`` for those alone that are in the
mosaic. With ``--sure 0.5`` tiles come only from pictures that classify names rightly among all
classes, with that probability or more: then a miss is the map's and not the model's. Together they
are the grid pointing game of Böhle et al. 2021 (arXiv:2104.00032).

Even tiles lie just where crops of half the picture do, and windows of half of it. ``--uneven`` cuts
the picture elsewhere: tiles are 0.7 to 1.3 times as wide and as high.

In brackets stand the pairs whose tile, or largest box, classify names rightly when it sees that
alone: what the model does not know it cannot point at.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pointing_ways import Centre, Crops, Explain, GradCam, Point, Way

from clipcli import Classifier
from clipcli.encoder.encoder import Encoder, load_encoder
from clipcli.errors import ImageError
from clipcli.images.class_tree import read_class_tree
from clipcli.images.decode import decode_image
from clipcli.images.find import FindReport, ImageFile
from clipcli.labels.label_set import LabelSet
from clipcli.models.open import ModelSource
from clipcli.models.resolve import open_named
from clipcli.workflows.locate.annotations import read_annotations

TILE_PX = 192
UNEVEN = 0.3  # of a tile: how far a cut lies from where it would
BICUBIC = Image.Resampling.BICUBIC
Box = tuple[float, float, float, float]  # left, top, right, bottom
Classes = dict[str, list[str]]  # paths of each class's pictures
WAYS: dict[str, Callable[[ModelSource], Way]] = {
    "centre": lambda source: Centre(),
    "Grad-CAM": GradCam,
    "Grad-CAM, twice the size": lambda source: GradCam(source, 2.0),
    "crops": lambda source: Crops(),
    "explain": Explain,
}


@dataclass(frozen=True)
class Scene:
    """A picture, where each label is that is in it, and which labels are asked for."""

    picture: Image.Image
    places: dict[str, list[Box]]
    asked: tuple[str, ...]


@dataclass(frozen=True)
class Game:
    """Scenes of one kind."""

    name: str
    scenes: list[Scene]


@dataclass(frozen=True)
class Played:
    """Which pairs of a scene and a label were hit, by each way, and which the model knows."""

    hits: dict[str, list[bool]]
    is_known: list[bool]


def read_classes(folder: str) -> Classes:
    """Return the pictures of each class of a folder."""
    tree, of_class = read_class_tree(folder), {}
    for entry in tree.find(FindReport()):
        if isinstance(entry, ImageFile) and (label := tree.label_of(entry.path)):
            of_class.setdefault(label, []).append(entry.path)
    return dict(sorted(of_class.items()))


def sure_ones(classes: Classes, encoder: Encoder, probability: float) -> Classes:
    """Keep the pictures that are named rightly among all classes, at least so probably."""
    classifier = Classifier(LabelSet.from_names(classes), encoder=encoder, min_prob=probability)
    kept = {}
    for label, paths in classes.items():
        found = zip(paths, classifier.classify(paths), strict=True)
        if named := [path for path, result in found if result.label == label]:
            kept[label] = named
    return kept


def mosaics(
    name: str,
    classes: Classes,
    side: int,
    n: int,
    *,
    ask_all: Sequence[str],
    is_uneven: bool = False,
) -> Game:
    """Make ``n`` mosaics of ``side`` times ``side`` pictures: ask for ``ask_all``, or their own."""
    draw, scenes = random.Random(side), []
    is_odd_one_out = len(classes) < side**2
    while len(scenes) < n:
        if is_odd_one_out:
            one, other = draw.sample(list(classes), 2)
            chosen = [other] * side**2
            chosen[draw.randrange(side**2)] = one
        else:
            chosen = draw.sample(list(classes), side**2)
        picture = Image.new("RGB", (side * TILE_PX, side * TILE_PX))
        places: dict[str, list[Box]] = {}
        for label, box in zip(chosen, tiles(side, draw if is_uneven else None), strict=True):
            size = (box[2] - box[0], box[3] - box[1])
            picture.paste(middle(decode_image(draw.choice(classes[label])), *size), box[:2])
            if not is_odd_one_out or label == one:
                places[label] = [box]
        scenes.append(Scene(picture, places, tuple(ask_all or dict.fromkeys(chosen))))
    kind = ", one among others of another" if is_odd_one_out else ""
    kind += ", uneven" if is_uneven else ""
    return Game(f"{name}, {side} x {side}{kind}, {len(scenes[0].asked)} labels", scenes)


def middle(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Return the middle of a picture as a tile of a size."""
    scale = min(picture.width / width, picture.height / height)
    wide, high = round(width * scale), round(height * scale)
    left, top = (picture.width - wide) // 2, (picture.height - high) // 2
    return picture.resize((width, height), BICUBIC, box=(left, top, left + wide, top + high))


def tiles(side: int, draw: random.Random | None) -> list[tuple[int, int, int, int]]:
    """Return where tiles lie, row by row; with ``draw`` the cuts between them lie by lot."""
    cuts = [[TILE_PX * i for i in range(side + 1)] for _ in range(2)]  # across, down
    if draw:
        most = round(UNEVEN * TILE_PX)
        cuts = [[0, *(cut + draw.randint(-most, most) for cut in c[1:-1]), c[-1]] for c in cuts]
    across, down = (list(itertools.pairwise(c)) for c in cuts)
    return [(left, top, right, low) for top, low in down for left, right in across]


def annotated(file: str, folder: str, n: int) -> Game:
    """Read at most ``n`` pictures with boxes, drawn from all."""
    known = read_annotations(Path(file))
    identities = sorted({key[0] for key in known.truths}, key=str)
    random.Random(0).shuffle(identities)
    names, scenes = tuple(known.categories.values()), []
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
        scenes.append(Scene(picture, places, names))
    return Game(f"{Path(file).stem}, {len(names)} labels", scenes)


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


def play(game: Game, encoder: Encoder, ways: dict[str, Way]) -> Played:
    """Ask every way for each label that is in a scene."""
    played = Played({name: [] for name in ways}, [])
    classifier = None
    for scene in game.scenes:
        if classifier is None or classifier.label_set.names != scene.asked:
            classifier = Classifier(LabelSet.from_names(scene.asked), encoder=encoder)
        labels = [scene.asked.index(label) for label in scene.places]
        played.is_known.extend(known_alone(classifier, scene))
        for name, way in ways.items():
            points = way.points(scene.picture, classifier, labels)
            pairs = zip(points, scene.places.values(), strict=True)
            played.hits[name] += [is_hit(point, boxes) for point, boxes in pairs]
    return played


def games(options: argparse.Namespace, encoder: Encoder) -> Iterator[Game]:
    """Make the games one after another."""
    for folder in options.mosaics:
        all_classes, name = read_classes(folder), Path(folder).name
        classes = sure_ones(all_classes, encoder, options.sure) if options.sure else all_classes
        for side, asked in itertools.product(options.sides, options.asked):
            names = tuple(all_classes) if asked == "all" else ()
            uneven = options.uneven
            yield mosaics(name, classes, side, options.n, ask_all=names, is_uneven=uneven)
    for file, folder in options.boxes:
        yield annotated(file, folder, options.n)


def cell(hits: Sequence[bool], is_known: Sequence[bool]) -> str:
    """Write down a share with its interval, and that of the known pairs, in per cent."""
    right = np.array(hits)
    (low, high), among = wilson_interval(int(right.sum()), len(right)), right[np.array(is_known)]
    known = f" [{100 * among.mean():.0f}]" if len(among) else ""
    return f"{100 * right.mean():.0f} ({100 * low:.0f} to {100 * high:.0f}){known}"


def wilson_interval(n_right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a share (Wilson 1927)."""
    share, wide = n_right / n, z * z / n
    middle = (share + wide / 2) / (1 + wide)
    half = z * math.sqrt(share * (1 - share) / n + wide / (4 * n)) / (1 + wide)
    return middle - half, middle + half


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mosaics", nargs="*", default=[], help="folders of folders, one a class")
    parser.add_argument("--sides", nargs="+", type=int, default=[2, 3], help="tiles in a row")
    parser.add_argument("--uneven", action="store_true", help="tiles of different sizes")
    parser.add_argument("--boxes", nargs=2, action="append", default=[], help="FILE FOLDER")
    parser.add_argument("--asked", nargs="+", default=["all"], choices=("all", "own"))
    parser.add_argument("--sure", type=float, help="least probability of a tile's own class")
    parser.add_argument("--model")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--n", type=int, default=200, help="pictures of a kind, at most")
    options = parser.parse_args()
    encoder, source = load_encoder(options.model, "cpu"), open_named(options.model)
    ways = {name: WAYS[name](source) for name in options.ways}
    print("| pictures | pairs | known alone |", " | ".join(ways), "|")
    print("|---|---|---|" + "---|" * len(ways))
    for game in games(options, encoder):
        played = play(game, encoder, ways)
        n, known = len(played.is_known), 100 * np.mean(played.is_known)
        cells = [cell(hits, played.is_known) for hits in played.hits.values()]
        print(f"| {game.name} | {n:,} | {known:.0f} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
