"""The recipe of mini: a run is carried over to other captions, and texts follow moved targets."""

from __future__ import annotations

import gzip
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml

from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.fold import fold_batch_norms
from clipcli.encoder.torch.text import TextTower
from clipcli.models.config import EfficientNetLite
from clipcli.training.checkpoint import checkpoint_paths, read_checkpoint, write_checkpoint
from clipcli.training.config_file import read_config
from clipcli.training.text.corpus import Corpus
from clipcli.training.train import train

from .conftest import tiny_architecture, write_packed

RECIPE = Path(__file__).parents[2] / "examples" / "train_mini"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Lend the scripts, whose plain names are gone afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(RECIPE))
    yield importlib.import_module("train.move_texts")
    for name in set(sys.modules) - before:
        if str(RECIPE) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def with_captions(folder: Path, captions: dict[str, int]) -> Path:
    """Pack pictures that have a caption and no concept, as many of each as told."""
    names = [name for name, n in captions.items() for _ in range(n)]
    write_packed(folder, len(names))
    lines = (folder / "pictures.tsv").read_text(encoding="utf-8").splitlines()
    rows = [
        "\t".join([*line.split("\t")[:4], name, ""])
        for line, name in zip(lines[1:], names, strict=True)
    ]
    (folder / "pictures.tsv").write_text("\n".join([lines[0], *rows]) + "\n", encoding="utf-8")
    return folder


def write_config(
    path: Path, teacher: dict[str, str], vocabulary: Path, pull: float, steps: int = 2
) -> Path:
    vectors = np.load(teacher["vectors"])
    texts = [*vectors["texts"].tolist(), "pie", "soup", "tart"]
    rows = np.random.default_rng(0).normal(size=(len(texts), 8)).astype(np.float32)
    np.savez(path.with_suffix(".npz"), texts=np.array(texts), vectors=rows)
    targets = teacher | {"vectors": str(path.with_suffix(".npz")), "pull": pull}
    config = {
        "objective": "targets",
        "architecture": tiny_architecture(),
        "vocabulary": str(vocabulary),
        "targets": targets,
        "steps": steps,
        "evaluation": {"held_out": 0},
        "device": "cpu",
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.mark.parametrize("pull", [0.0, 0.001])
def test_what_a_classifier_says_of_old_captions_is_the_same_beside_new_ones(
    tmp_path: Path, teacher: dict[str, str], vocabulary: Path, recipe: ModuleType, pull: float
) -> None:
    carry = importlib.import_module("train.carry")
    config = write_config(tmp_path / "old.yaml", teacher, vocabulary, 0.001)
    following = write_config(tmp_path / "new.yaml", teacher, vocabulary, pull)
    old = carry.open_run(config, with_captions(tmp_path / "old", {"pie": 8, "tart": 8}))
    new = carry.open_run(
        following, with_captions(tmp_path / "new", {"pie": 8, "soup": 9, "tart": 8})
    )
    state = trained(old)

    found = carry.carry(state, old, new)

    new.student.load_state_dict(found["student"])
    pictures = torch.rand(2, 3, 32, 32)
    said, says = old.student.eval()(pictures)[1], new.student.eval()(pictures)[1]
    kept = [new.keys.index(key) for key in old.keys]
    torch.testing.assert_close(says[:, kept], said)
    torch.testing.assert_close(says[:, new.keys.index("soup")], said.mean(dim=1))
    assert ("text_shift" in found["student"]) == (pull > 0)
    order, _ = new.optimiser()
    memory = {order[i]: own["exp_avg"] for i, own in found["optimiser"]["state"].items()}
    assert all(memory[n].shape == p.shape for n, p in new.student.named_parameters() if n in memory)
    before = dict(old.student.named_parameters())["classifier.weight"].grad
    torch.testing.assert_close(memory["classifier.weight"][kept], before * 0.1)


def trained(run: object) -> dict[str, object]:
    """Take a step of Adam, whose first moment is then a tenth of the gradient."""
    student = run.student  # type: ignore[attr-defined]
    order, empty = run.optimiser()  # type: ignore[attr-defined]
    named = dict(student.named_parameters())
    optimiser = torch.optim.AdamW([named[name] for name in order], lr=1e-3)
    rows, logits = student(torch.rand(4, 3, 32, 32))
    (rows.square().sum() + logits.square().sum() + student.text_shift.sum()).backward()
    optimiser.step()
    state = empty | {"state": optimiser.state_dict()["state"]}
    return {"average": None, "student": student.state_dict(), "optimiser": state}


def test_a_run_goes_on_after_it_is_turned_towards_a_text_tower(
    tmp_path: Path,
    teacher: dict[str, str],
    vocabulary: Path,
    recipe: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refit = importlib.import_module("train.refit")
    data = with_captions(tmp_path / "data", {"pie": 8, "tart": 8})
    moving = write_config(tmp_path / "moving.yaml", teacher, vocabulary, 0.001)
    still = write_config(tmp_path / "still.yaml", teacher, vocabulary, 0.0, steps=4)
    train(data, tmp_path / "run", read_config(moving), say=quiet)
    shape = refit.open_run(moving, data).start.model.architecture
    tower = TextTower(shape.text, shape.embed_dim, shape.activation)
    write_checkpoint(tmp_path / "text", 1, {"tower": tower.state_dict()}, keep=1)
    options = {"config": moving, "next": still, "data": data, "out": tmp_path / "refit"}
    options |= {"image": tmp_path / "run" / "checkpoints", "text": tmp_path / "text"}
    told = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["refit.py", *told])

    refit.main()

    for path in (tmp_path / "refit" / "checkpoints").iterdir():
        shutil.copy(path, tmp_path / "run" / "checkpoints")
    train(data, tmp_path / "run", read_config(still), say=quiet)
    state = read_checkpoint(checkpoint_paths(tmp_path / "run" / "checkpoints")[-1])
    assert state["step"] == 4
    assert "text_shift" not in state["student"]
    assert np.load(tmp_path / "refit" / "targets.npz")["vectors"].shape == (12, 8)


def quiet(line: str) -> None:
    pass


def test_texts_follow_the_names_in_them(recipe: ModuleType) -> None:
    east, north = torch.eye(2)
    still = Corpus(
        ["a red car", "car", "red car", "red carpet"],
        ["compound", "name", "name", "name"],
        np.array([1.0, 9.0, 9.0, 3.0]),
        torch.stack([east] * 4),
    )
    before, after = torch.stack([east, east]), torch.stack([east, 0.6 * east + 0.8 * north])

    moved = recipe.follow(still, ["car", "red car"], before, after, [True, True])

    rows = dict(zip(moved.texts, moved.vectors, strict=True))
    wanted = torch.nn.functional.normalize(east + 0.7 * (after[1] - east), dim=0)
    torch.testing.assert_close(rows["a red car"], wanted)  # the longest name counts
    torch.testing.assert_close(rows["car"], east)
    torch.testing.assert_close(rows["red car"], after[1])
    assert rows["red carpet"][1] > 0  # by the regression, a little
    assert rows["red carpet"][1] < rows["a red car"][1]
    assert sorted(moved.texts) == sorted(still.texts)
    assert dict(zip(moved.texts, moved.weights, strict=True))["car"] == pytest.approx(0.6 * 4)


def test_the_configurations_build_on_one_another() -> None:
    first, last = (read_config(RECIPE / "train" / name) for name in ("mini.yaml", "mini_end.yaml"))

    assert first.minutes == last.minutes
    assert set(first.sources) == set(last.sources)
    assert first.architecture == last.architecture
    assert read_config(RECIPE / "train" / "mini_move.yaml").targets.pull > last.targets.pull == 0


def efficientnet(seed: int) -> EfficientNetTower:
    """Return a shallow tower whose batch norms do something."""
    torch.manual_seed(seed)
    shape = EfficientNetLite(160, (16, 24, 40, 80, 112, 192, 320), (1, 1, 1, 1, 1, 2, 1), 8)
    tower = EfficientNetTower(shape, 4).eval()
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
            module.running_var.uniform_(0.1, 0.5)  # type: ignore[union-attr]
    return tower


@pytest.mark.parametrize("side", [160, 192, 208])
@torch.no_grad()
def test_last_stages_as_products_give_what_the_tower_gives(recipe: ModuleType, side: int) -> None:
    matrices, join = map(importlib.import_module, ("train.matrices", "finish.join"))
    pixels, tower, other = torch.randn(2, 3, side, side), efficientnet(1), efficientnet(2)
    expected = tower(pixels)
    fold_batch_norms(tower)
    front = torch.nn.Sequential(tower.conv_stem, torch.nn.ReLU6(), *tower.blocks[:5])
    stages = matrices.LastStages(tower, 5, side // 16)

    products = tower.head(stages(front(pixels).flatten(2)))

    torch.testing.assert_close(products, expected, rtol=1e-4, atol=1e-5)
    # And they come back: into the tower, and into a checkpoint whose batch norms are not folded.
    state = other.state_dict() | tower.head.state_dict(prefix="head.")
    early = {name: t for name, t in efficientnet(1).state_dict().items() if name in state}
    late = {n: t for n, t in tower.state_dict().items() if n.startswith(("blocks.5", "blocks.6"))}
    late |= {n: t for n, t in tower.state_dict().items() if n.startswith("conv_head")}
    for layer in (*stages.blocks, stages.last):
        layer.bias += 0.1
    stages.write_to(tower)
    moved = tower(pixels)
    assert not torch.allclose(moved, expected, atol=1e-3)
    late = {name: tower.state_dict()[name] for name in late}
    other.load_state_dict(state | early | join.with_norms(late))
    torch.testing.assert_close(other(pixels), moved, rtol=1e-4, atol=1e-5)


def test_a_source_that_cannot_be_had_is_named_and_left_out(
    tmp_path: Path, recipe: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clones/someone+cats/objects").mkdir(parents=True)
    (tmp_path / "clones/someone/dogs/.git/objects").mkdir(parents=True)
    for name in ("cats", "birds"):
        (tmp_path / f"{name}.tsv.gz").touch()
    entries = [
        {"name": name, "repository": f"someone/{name}"} for name in ("cats", "dogs", "birds")
    ]
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump({"sources": entries}), encoding="utf-8")
    available = importlib.import_module("data.available").available_sources

    sources, clones = available(tmp_path / "sources.yaml", tmp_path / "clones", tmp_path)

    assert sources == entries[:1]
    assert clones == {"cats": tmp_path / "clones/someone+cats"}
    told = capsys.readouterr().out
    assert "dogs: no manifest" in told
    assert "birds: no clone of someone/birds" in told
    with pytest.raises(SystemExit, match="no clone of any source"):
        available(tmp_path / "sources.yaml", tmp_path / "nowhere", tmp_path)


def test_a_manifest_is_written_from_a_clones_folders(
    tmp_path: Path, recipe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "clones/someone/fruit"
    texts = {
        "data/Red_Apple/1.jpg": "a",
        "data/Red_Apple/copy.JPG": "a",
        "data/Red_Apple/2.png": "b",
    }
    texts |= {
        "data/pear/3.jpg": "c",
        "data/other/4.jpg": "d",
        "data/pear/notes.txt": "e",
        "5.jpg": "f",
    }
    for name, text in texts.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text, encoding="utf-8")
    git = ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "fruit"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    entry = {"name": "fruit", "repository": "someone/fruit", "commit": head.stdout.strip()}
    rule = {"folders": "data/([^/]+)/.*", "labels": {"pear": "ripe pear"}}
    manifests = importlib.import_module("data.manifests")
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump({"sources": [entry]}), encoding="utf-8")
    (tmp_path / "folders.yaml").write_text(yaml.safe_dump({"fruit": rule}), encoding="utf-8")
    monkeypatch.setattr(manifests, "SOURCES", tmp_path / "sources.yaml")
    monkeypatch.setattr(manifests, "FOLDERS", tmp_path / "folders.yaml")
    command = ["manifests", "--clones", str(tmp_path / "clones"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", command)

    manifests.main()

    written = gzip.decompress((tmp_path / "out/fruit.tsv.gz").read_bytes()).decode().splitlines()
    assert written == [
        f"# repo=someone/fruit\tcommit={entry['commit']}",
        "data/Red_Apple/1.jpg\tall\tred apple",  # its copy is not listed
        "data/Red_Apple/2.png\tall\tred apple",
        "data/other/4.jpg\tall\tother",
        "data/pear/3.jpg\tall\tripe pear",
    ]
    objects = {path: path for path in texts}
    assert manifests.listed(objects, rule | {"only_labelled": True}) == [
        ("data/pear/3.jpg", "ripe pear")
    ]
    assert len(manifests.listed(objects, rule | {"most": 1})) == 3
    once = manifests.listed(objects, rule | {"one_of": "Red|pear|other"})
    assert [path for path, _ in once] == [
        "data/Red_Apple/1.jpg",
        "data/other/4.jpg",
        "data/pear/3.jpg",
    ]


def test_the_folders_are_of_known_sources_and_their_labels_have_names(recipe: ModuleType) -> None:
    rules = yaml.safe_load((RECIPE / "data/folders.yaml").read_text(encoding="utf-8"))
    entries = yaml.safe_load((RECIPE / "data/sources.yaml").read_text(encoding="utf-8"))["sources"]
    sources = {entry["name"]: entry for entry in entries}
    names = importlib.import_module("data.names").Names.load(RECIPE / "data", entries)

    for name, rule in rules.items():
        assert set(rule) <= {"folders", "labels", "only_labelled", "most", "one_of"}
        assert "all" in [*sources[name].get("train", ()), *sources[name].get("evaluate", {})]
        for label in rule.get("labels", {}).values():
            captions, _ = names.describe(name, (label,))
            assert captions[0]
