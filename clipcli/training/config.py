"""The settings of a training run: one frozen tree, readable from YAML.

Each class is a section of the file, each field a key of the same name. What is left out keeps the
default written here; the defaults fit fine-tuning the bundled model on a folder of pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Objective: TypeAlias = Literal["contrastive", "targets"]
EqualCaptions: TypeAlias = Literal["positives", "mask", "negatives"]
Loss: TypeAlias = Literal["softmax", "sigmoid", "tokens"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
Tower: TypeAlias = Literal["image", "text"]


@dataclass(frozen=True, slots=True)
class Stage:
    """From this share of the run on (0..1), train on pictures of this size."""

    start: float
    size_px: int


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Data of one kind: a folder tree, a table, tars or a packed folder."""

    path: str
    weight: float = 1.0  # how often each of its pairs is drawn in an epoch
    name: str = ""  # absent: the file's or folder's


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """AdamW (Loshchilov & Hutter 2019) with warm-up, cosine and clipping."""

    lr: float = 1e-4
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.98  # Radford et al. 2021, table 19
    epsilon: float = 1e-6
    clip_norm: float = 1.0  # 0: gradients are not clipped
    warmup_steps: int = 100  # a tenth of the run at most
    final_lr: float = 0.0  # share of ``lr`` that is left at the end
    layer_decay: float = 1.0  # each layer's rate is this share of the one above it; 0.7 suits ViTs


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """How pictures are varied; all zeros (and areas of 1) leave them as they are."""

    min_area: float = 0.45  # of the random crop, as a share of the picture
    max_area: float = 1.0
    max_aspect: float = 1.33
    flip: bool = True  # left to right, every second time; turn off where text matters
    brightness: float = 0.3  # factor drawn from 1 - x to 1 + x
    contrast: float = 0.3
    saturation: float = 0.3
    grey: float = 0.05  # share of pictures that lose all colour
    coarse: float = 0.0  # share of pictures shown at half their detail, as if enlarged
    coarsest: int = 2  # of those: at a half, a third, … down to one in so many, all alike often


@dataclass(frozen=True, slots=True)
class ContrastiveConfig:
    """The symmetric loss over a batch's pairs (Radford et al. 2021, figure 3), or SigLIP's."""

    # absent: softmax or sigmoid, as the model scores; tokens: FILIP's beside softmax
    loss: Loss | None = None
    equal_captions: EqualCaptions = "positives"  # what other pictures of the same caption are
    scale: float | None = None  # fixed logit scale (1 / temperature); absent: it is learned
    max_scale: float = 100.0  # bound of the learned one
    # One is drawn a row. Absent: those of `classify` where a caption is a name (of a folder, or a
    # class in a tar), "{}" where it may be a sentence.
    templates: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TargetsConfig:
    """The image tower alone, against fixed text vectors."""

    vectors: str = ""  # .npz with ``texts`` (m,) and ``vectors`` (m, d)
    concepts: str = ""  # concepts.json, whose nodes the data's concepts are numbers of
    kinds: str = ""  # .tsv of captions and the concepts that are true of them
    common: int = 8  # captions of fewer pictures are negatives only in their own batch
    scale: float = 14.0  # fixed; a learned one overfits to the names
    ancestors: float = 0.15  # share of rows whose target is a more general concept
    classifier: float = 0.5  # weight of the auxiliary linear classifier on the trunk; 0: none
    # Above 0, concepts and common captions may move, drawn back to their vectors this strongly.
    pull: float = 0.0
    # 1: names count alike however many pictures they have; 0: frequent ones are said more readily.
    balance: float = 0.0
    near: float = 0.95  # texts whose vectors are this close to the target are not its negatives


@dataclass(frozen=True, slots=True)
class EmaConfig:
    """A moving average of the weights, which is then what is scored and written."""

    decay: float = 0.0  # 0: none; 0.999 suits runs of 10,000 steps and more
    start: float = 0.3  # share of the run before it begins; an early start drags old weights along


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """How often the whole state of the run goes to disk."""

    minutes: float = 5.0
    steps: int = 0  # 0: by minutes alone
    keep: int = 2


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """The held-out zero-shot score as the run goes."""

    data: str = ""  # a packed folder with ``eval_pictures``; absent: a share of the data
    vectors: str = ""  # text vectors of the class names; absent: those of ``targets``, or the tower
    held_out: float = 0.05  # share of the data when ``data`` is absent; 0: no score
    minutes: float = 5.0
    limit: int = 1000  # pictures of each set


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything that decides what a run does, apart from its data and where it starts."""

    objective: Objective = "contrastive"
    data: tuple[SourceConfig, ...] = ()  # where the command names none
    seed: int = 0
    epochs: float | None = None  # one of the three says how long; default: 10, 100 steps at least
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 0  # 0: 128, or all pairs where there are fewer
    chunk_size: int = 0  # pictures of a batch in memory at a time; 0: all; gradients are the same
    device: str = "auto"
    precision: Precision = "auto"
    compile: bool = False  # faster steps after a minute or two of compiling
    stages: tuple[Stage, ...] = ()  # absent: the model's own size throughout
    # "image" or "text", a whole tower, or how names of parameters begin: these stay as they are.
    frozen: tuple[str, ...] = ()
    # Batch norms keep their statistics, as suits small sets, small batches and chunks. Absent: from
    # a model they do, from random weights not.
    frozen_statistics: bool | None = None
    sources: dict[str, float] = field(default_factory=dict)  # weight of a source's rows; default 1
    architecture: dict[str, Any] | None = None  # as in config.json: start from random weights
    preprocessing: dict[str, Any] = field(default_factory=dict)  # with ``architecture``
    vocabulary: str = ""  # merges file, with ``architecture``
    # How far the finished weights go from the start's towards the trained ones, 0..1. Half way
    # keeps most of what was learned and of what would be forgotten (Wortsman et al. 2021,
    # arXiv:2109.01903). Absent: 0.5 from a model, 1 from random weights.
    blend: float | None = None
    name: str = ""  # of the finished model; default: the out folder's name
    licence: str = ""
    storage: Literal["fp16", "fp32"] = "fp16"
    optimiser: OptimiserConfig = OptimiserConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    contrastive: ContrastiveConfig = ContrastiveConfig()
    targets: TargetsConfig = TargetsConfig()
    ema: EmaConfig = EmaConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
