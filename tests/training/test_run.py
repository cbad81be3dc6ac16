"""Whole runs of a tiny model, from data to model folder."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clipcli.encoder.torch.load import load_model
from clipcli.errors import InputError, ModelError, OutputError, OutputExistsError, UsageError
from clipcli.models.fingerprint import ModelFolder
from clipcli.training import loop
from clipcli.training.config import TrainingConfig
from clipcli.training.config_file import config_from_dict
from clipcli.training.init import starting_point
from clipcli.training.lock import locked
from clipcli.training.loop import DivergedError
from clipcli.training.state import TrainingState
from clipcli.training.train import train

from .conftest import tiny_architecture, write_packed

STILL = {
    "min_area": 1,
    "max_aspect": 1,
    "flip": False,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "grey": 0,
}


class KilledError(Exception):
    """Stands for a kill: nothing of ours catches it."""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def make_config(vocabulary: Path, packed: Path) -> Callable[..., TrainingConfig]:
    def make(**keys: Any) -> TrainingConfig:
        plain = {
            "steps": 12,
            "batch_size": 16,
            "precision": "fp32",
            "device": "cpu",
            "architecture": tiny_architecture(),
            "vocabulary": str(vocabulary),
            "optimiser": {"lr": 0.01, "warmup_steps": 2},
            "checkpoint": {"steps": 4},
            "evaluation": {"data": str(packed)},
        }
        return config_from_dict(plain | keys, "test")

    return make


def run(data: Path, out: Path, config: TrainingConfig, stop: Any = None) -> ModelFolder:
    steps = iter(range(1, 10**6))

    def advance(share: float, figures: str) -> None:
        del share, figures
        if stop is not None:
            stop(next(steps))

    return train(data, out, config, say=lambda line: None, advance=advance)


def events(out: Path, kind: str) -> list[dict[str, Any]]:
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["event"] == kind]


def kill_at(step: int) -> Callable[[int], None]:
    def stop(done: int) -> None:
        if done == step:
            raise KilledError

    return stop


@pytest.mark.parametrize("objective", ["contrastive", "targets"])
def test_killed_and_resumed_equals_not_killed(
    objective: str,
    tmp_path: Path,
    packed: Path,
    teacher: dict[str, str],
    make_config: Callable[..., TrainingConfig],
) -> None:
    config = make_config(
        objective=objective,
        targets=teacher,
        architecture=tiny_architecture(64),
        stages=[{"start": 0, "size_px": 32}, {"start": 0.5, "size_px": 64}],
        ema={"decay": 0.9, "start": 0.2},
    )
    whole = run(packed, tmp_path / "whole", config)

    for step in (6, 5):  # lost: steps 5 and 6, then step 9
        with pytest.raises(KilledError):
            run(packed, tmp_path / "killed", config, kill_at(step))
    resumed = run(packed, tmp_path / "killed", config)

    assert [event["step"] for event in events(tmp_path / "killed", "resume")] == [4, 8]
    assert resumed.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert resumed.config.fingerprint == whole.config.fingerprint


def test_interrupt_keeps_the_state_of_the_very_step(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    config = make_config(checkpoint={"minutes": 60})
    whole = run(packed, tmp_path / "whole", config)

    def interrupt(done: int) -> None:
        if done == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run(packed, tmp_path / "stopped", config, interrupt)
    left = [path.name for path in (tmp_path / "stopped" / "checkpoints").iterdir()]
    resumed = run(packed, tmp_path / "stopped", config)

    assert left == ["step-000000005.pt"]
    assert resumed.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_overfits_64_pairs(tmp_path: Path, make_config: Callable[..., TrainingConfig]) -> None:
    data = write_packed(tmp_path / "data", 64, size=32)
    draw = np.random.default_rng(0)
    pictures = np.repeat(np.repeat(draw.integers(0, 256, (64, 4, 4, 3)), 8, axis=1), 8, axis=2)
    np.save(data / "pictures.npy", pictures.astype(np.uint8))
    header = "source\tpath\tsplit\trole\tcaptions\tconcepts\n"
    letters = "abcdefgh"
    rows = (f"x\t{a}{b}.png\t\ttrain\t{a} {b}\t\n" for a in letters for b in letters)
    (data / "pictures.tsv").write_text(header + "".join(rows), encoding="utf-8")
    config = make_config(
        steps=100,
        batch_size=64,
        augmentation=STILL,
        architecture=tiny_architecture() | {"embed_dim": 16},
        contrastive={"templates": ["{}"]},
        optimiser={"lr": 0.02, "warmup_steps": 10, "weight_decay": 0},
        checkpoint={},
        evaluation={"held_out": 0},
    )

    run(data, tmp_path / "out", config)

    assert events(tmp_path / "out", "step")[-1]["loss"] < 0.05


def test_targets_teach_the_colours(
    tmp_path: Path,
    packed: Path,
    teacher: dict[str, str],
    make_config: Callable[..., TrainingConfig],
) -> None:
    keys = {"objective": "targets", "targets": teacher, "augmentation": STILL, "checkpoint": {}}
    config = make_config(steps=60, **keys)

    folder = run(packed, tmp_path / "out", config)

    score = events(tmp_path / "out", "score")[-1]
    assert score["colours"] >= 0.75  # chance is 1 in 8
    assert folder.config.logit_scale == pytest.approx(
        14.0, rel=1e-3
    )  # the targets' scale, as stored
    assert "image tower alone" in (folder.path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_targets_move_as_far_as_they_are_let(
    tmp_path: Path,
    packed: Path,
    teacher: dict[str, str],
    make_config: Callable[..., TrainingConfig],
) -> None:
    keys = {"objective": "targets", "steps": 60, "augmentation": STILL, "checkpoint": {}}

    for name, pull in (("fixed", 0.0), ("free", 1e-3), ("held", 1e3)):
        run(packed, tmp_path / name, make_config(targets=teacher | {"pull": pull}, **keys))

    # Which of the losses is lower after so few steps depends on how a processor rounds.
    fixed, free, held = (events(tmp_path / name, "step")[-1] for name in ("fixed", "free", "held"))
    assert "shift" not in fixed
    assert free["shift"] > 0.01
    assert held["shift"] < free["shift"] / 4


def test_temperature_is_learned_within_its_bound(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    keys = {"optimiser": {"lr": 0.5, "warmup_steps": 0, "clip_norm": 0}, "checkpoint": {}}
    bounded = make_config(contrastive={"max_scale": 14.5}, **keys)
    fixed = make_config(contrastive={"scale": 10.0}, **keys)

    scale = run(packed, tmp_path / "bounded", bounded).config.logit_scale
    told = run(packed, tmp_path / "fixed", fixed).config.logit_scale

    scales = [event["scale"] for event in events(tmp_path / "bounded", "step")]
    assert max([*scales, scale]) < 14.6  # fp16 storage rounds
    assert scale != pytest.approx(1 / 0.07, rel=1e-3)
    assert told == pytest.approx(10.0, rel=1e-3)


def test_sigmoid_loss_begins_as_in_its_paper_and_the_model_scores_by_it(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    plain = run(packed, tmp_path / "plain", make_config(steps=1))
    sigmoid = replace(
        make_config(steps=1, contrastive={"loss": "sigmoid"}, optimiser={"lr": 0.0}),
        architecture=None,
        vocabulary="",
    )

    folder = train(packed, tmp_path / "out", sigmoid, init=str(plain.path), say=lambda line: None)
    again = train(
        packed,
        tmp_path / "again",
        replace(sigmoid, contrastive=replace(sigmoid.contrastive, loss=None)),
        init=str(folder.path),
        say=lambda line: None,
    )

    # Zhai et al. 2023, section 3.2: t = 10 and b = -10.
    assert plain.config.scoring == "softmax"
    for model in (folder, again):
        assert model.config.scoring == "sigmoid"
        assert model.config.logit_scale == pytest.approx(10, rel=1e-3)
        assert model.config.logit_bias == -10


def test_diverged_run_stops_and_keeps_the_last_good_state(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    sane = make_config()
    with pytest.raises(KilledError):
        run(packed, tmp_path / "out", sane, kill_at(6))
    mad = replace(sane, optimiser=replace(sane.optimiser, lr=1e30, clip_norm=0))

    with pytest.raises(DivergedError, match=r"step \d+: .* last good state .*step-000000004\.pt"):
        run(packed, tmp_path / "out", mad)
    folder = run(packed, tmp_path / "out", sane)

    weights = load_model(folder).state_dict()
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_checkpoint_of_another_architecture_is_refused(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    with pytest.raises(KilledError):
        run(packed, tmp_path / "out", make_config(), kill_at(6))
    other = make_config(architecture=tiny_architecture() | {"embed_dim": 4})

    with pytest.raises(ModelError, match=r"another architecture \(embed_dim is 8, not 4\)"):
        run(packed, tmp_path / "out", other)


def test_broken_checkpoint_is_refused(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    folder = tmp_path / "out" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "step-000000009.pt").write_bytes(b"PK\x03\x04 half a file")

    with pytest.raises(ModelError, match=r"step-000000009\.pt: cannot be read as a checkpoint"):
        run(packed, tmp_path / "out", make_config())


def test_two_checkpoints_are_kept(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    run(packed, tmp_path / "out", make_config(checkpoint={"steps": 3}))

    names = sorted(path.name for path in (tmp_path / "out" / "checkpoints").iterdir())
    assert names == ["step-000000009.pt", "step-000000012.pt"]


def test_full_disk_on_the_way_is_told_and_survived(
    tmp_path: Path,
    packed: Path,
    make_config: Callable[..., TrainingConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write, said = loop.write_checkpoint, []

    def fail_once(folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
        if step == 4:
            raise OSError(28, "No space left on device")
        return write(folder, step, state, keep)

    monkeypatch.setattr(loop, "write_checkpoint", fail_once)
    train(packed, tmp_path / "out", make_config(), say=said.append)

    assert any("no checkpoint at step 4: No space left" in line for line in said)


def test_full_disk_at_the_end_is_an_error(
    tmp_path: Path,
    packed: Path,
    make_config: Callable[..., TrainingConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)

    with pytest.raises(OutputError, match="no checkpoint at step 12: No space left"):
        run(packed, tmp_path / "out", make_config())


def test_fine_tuning_begins_where_the_model_is(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    first = run(packed, tmp_path / "first", make_config(storage="fp32"))
    config = replace(
        make_config(storage="fp32", frozen=["visual."], steps=2), architecture=None, vocabulary=""
    )

    second = train(packed, tmp_path / "second", config, init=str(first.path), say=lambda line: None)

    before, after = load_model(first).state_dict(), load_model(second).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any(name.startswith("visual.") for name in changed)
    assert second.config.source.endswith(f"from the model {first.config.name}")


def test_finished_run_is_finished_again_with_its_score(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    first = run(packed, tmp_path / "out", make_config())
    before = (first.path / "MODEL_CARD.md").read_text(encoding="utf-8")

    second = run(packed, tmp_path / "out", make_config())

    assert (second.path / "MODEL_CARD.md").read_text(encoding="utf-8") == before
    assert second.config.fingerprint == first.config.fingerprint
    assert "- colours: " in before


def test_model_of_another_origin_is_not_replaced(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    (tmp_path / "out" / "model").mkdir(parents=True)

    with pytest.raises(OutputExistsError, match="model: already exists"):
        run(packed, tmp_path / "out", make_config())


def test_rows_without_a_caption_are_counted(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    table = packed / "pictures.tsv"
    text = table.read_text(encoding="utf-8").replace("\tred\t", "\t\t")
    table.write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=r"8 of 64 pictures have no caption, first 0\.png"):
        run(packed, tmp_path / "out", make_config())


def test_long_captions_are_told(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    table, said = packed / "pictures.tsv", []
    long = "a very long caption indeed"
    text = table.read_text(encoding="utf-8").replace("\tred\t", f"\t{long}\t")
    table.write_text(text, encoding="utf-8")

    train(packed, tmp_path / "out", make_config(steps=1), say=said.append)

    assert f"1 of 8 captions are cut to 16 tokens, first {long!r}" in said


def test_concepts_of_another_file_are_refused(
    tmp_path: Path,
    packed: Path,
    teacher: dict[str, str],
    make_config: Callable[..., TrainingConfig],
) -> None:
    table = packed / "pictures.tsv"
    table.write_text(table.read_text(encoding="utf-8").replace("\t0,8", "\t0,9"), encoding="utf-8")
    config = make_config(objective="targets", targets=teacher)

    with pytest.raises(InputError, match="9 concepts, but the data names number 9"):
        run(packed, tmp_path / "out", config)


def test_names_without_vectors_are_counted(
    tmp_path: Path,
    packed: Path,
    teacher: dict[str, str],
    make_config: Callable[..., TrainingConfig],
) -> None:
    np.savez(teacher["vectors"], texts=np.array(["red", "green"]), vectors=np.eye(2, 8))
    config = make_config(objective="targets", targets=teacher)

    with pytest.raises(InputError, match="7 of 9 names have no vector, first 'blue'"):
        run(packed, tmp_path / "out", config)


def test_chunks_train_to_the_same_model(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    keys = {"frozen_statistics": True, "storage": "fp32", "checkpoint": {}, "steps": 4}

    whole = run(packed, tmp_path / "whole", make_config(**keys))
    parts = run(packed, tmp_path / "parts", make_config(chunk_size=6, **keys))

    expected, found = load_model(whole).state_dict(), load_model(parts).state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_bf16_trains_as_well(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    folder = run(packed, tmp_path / "out", make_config(precision="bf16", checkpoint={}))

    weights = load_model(folder).state_dict()
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights.values())
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_fp16_trains_as_well_and_goes_on_exactly(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    config = make_config(precision="fp16", steps=6)
    whole = run(packed, tmp_path / "whole", config)

    with pytest.raises(KilledError):
        run(packed, tmp_path / "killed", config, kill_at(5))
    resumed = run(packed, tmp_path / "killed", config)

    weights = load_model(whole).state_dict()
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert resumed.weights_path.read_bytes() == whole.weights_path.read_bytes()


def test_a_loss_scaled_up_too_far_skips_the_step_and_is_scaled_less(
    make_config: Callable[..., TrainingConfig],
) -> None:
    config = make_config()
    start = starting_point(config, None)
    state = TrainingState(config, start.student(0, 0), torch.device("cpu"), "fp16")
    state.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    before = {name: tensor.clone() for name, tensor in state.student.state_dict().items()}

    norm = state.backward(1e3 * state.student(torch.ones(4, 3, 32, 32))[0].sum())
    may_skip = state.may_skip
    state.update(0.1)

    assert may_skip
    assert not norm.isfinite()
    assert state.scaler.get_scale() == 2.0**126
    for name, parameter in state.student.named_parameters():
        assert torch.equal(parameter, before[name])


def test_a_locked_image_tower_stays_bit_for_bit(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    first = run(packed, tmp_path / "first", make_config(storage="fp32", steps=1))
    config = replace(
        make_config(storage="fp32", frozen=["image"], steps=3, optimiser={"layer_decay": 0.5}),
        architecture=None,
        vocabulary="",
    )

    second = train(packed, tmp_path / "second", config, init=str(first.path), say=lambda line: None)

    before, after = load_model(first).state_dict(), load_model(second).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"text_projection", "positional_embedding", "logit_scale"} <= changed
    assert not any(name.startswith("visual.") for name in changed)


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        (["visul."], "frozen: no parameter's name begins with 'visul.'"),
        (["image", "text", "logit_scale"], "frozen: nothing is left to train"),
    ],
)
def test_freezing_what_is_not_there_or_all_is_refused(
    tmp_path: Path,
    packed: Path,
    make_config: Callable[..., TrainingConfig],
    frozen: list[str],
    message: str,
) -> None:
    with pytest.raises(UsageError, match=message):
        run(packed, tmp_path / "out", make_config(frozen=frozen))


def test_a_second_run_in_the_same_folder_is_refused(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    with locked(tmp_path / "out"), pytest.raises(OutputExistsError, match="another training"):
        run(packed, tmp_path / "out", make_config())


def test_a_log_on_a_full_disk_does_not_stop_the_training(
    tmp_path: Path,
    packed: Path,
    make_config: Callable[..., TrainingConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full:
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            pass

    real, said = Path.open, []

    def open_full(self: Path, *args: Any, **keys: Any) -> Any:
        if self.name != "log.jsonl":
            return real(self, *args, **keys)
        return Full()

    monkeypatch.setattr(Path, "open", open_full)
    folder = train(packed, tmp_path / "out", make_config(steps=2), say=said.append)

    assert load_model(folder)
    assert sum("log.jsonl: No space left on device; training goes on" in line for line in said) == 1


def test_a_finished_model_lies_between_its_start_and_what_was_trained(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    first = run(packed, tmp_path / "first", make_config(storage="fp32", steps=1))
    tuned = replace(make_config(storage="fp32", steps=3), architecture=None, vocabulary="")

    folders = [
        train(
            packed,
            tmp_path / f"{blend}",
            replace(tuned, blend=blend),
            init=str(first.path),
            say=lambda line: None,
        )
        for blend in (1.0, 0.25, None)
    ]

    before = load_model(first).state_dict()
    whole, quarter, default = (load_model(folder).state_dict() for folder in folders)
    for name, start in before.items():
        if not start.is_floating_point():  # how many batches a norm has seen
            continue
        torch.testing.assert_close(quarter[name], start + 0.25 * (whole[name] - start))
        torch.testing.assert_close(default[name], start + 0.5 * (whole[name] - start))
    assert "25% of the way" in (folders[1].path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_few_pairs_are_one_batch_and_enough_steps(
    tmp_path: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    config = replace(make_config(evaluation={"held_out": 0}), batch_size=0, steps=None)
    seen: list[float] = []

    def stop(done: int) -> None:
        seen.append(done)
        if done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        run(write_packed(tmp_path / "few", 24), tmp_path / "out", config, stop)

    (start,) = events(tmp_path / "out", "start")
    assert start["config"]["batch_size"] == 24
    assert events(tmp_path / "out", "step")[0]["progress"] == 0.01  # one of 100


def test_batch_norms_keep_their_statistics_when_a_model_is_tuned(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    name = "visual.bn1.running_mean"
    first = run(packed, tmp_path / "first", make_config(storage="fp32", steps=1))
    tuned = replace(make_config(storage="fp32", steps=2), architecture=None, vocabulary="")

    kept, moved = (
        train(packed, tmp_path / f"{told}", config, init=str(first.path), say=lambda line: None)
        for told, config in enumerate((tuned, replace(tuned, frozen_statistics=False)))
    )

    before = load_model(first).state_dict()[name]
    assert not torch.equal(before, torch.zeros_like(before))  # from nothing they are learned
    assert torch.equal(load_model(kept).state_dict()[name], before)
    assert not torch.equal(load_model(moved).state_dict()[name], before)


def test_places_and_words_learn_to_match(
    tmp_path: Path, packed: Path, make_config: Callable[..., TrainingConfig]
) -> None:
    config = make_config(contrastive={"loss": "tokens"}, augmentation=STILL, steps=30)

    run(packed, tmp_path / "out", config)

    losses = [record["loss"] for record in events(tmp_path / "out", "step")]
    assert sum(losses[-3:]) < sum(losses[:3])


def test_the_token_loss_cannot_be_chunked(make_config: Callable[..., TrainingConfig]) -> None:
    with pytest.raises(UsageError, match="chunk_size: does not go with the loss 'tokens'"):
        make_config(contrastive={"loss": "tokens"}, chunk_size=4)
