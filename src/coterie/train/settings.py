"""`TrainSettings`: the keyword arguments of `coterie.train`, for type checkers."""

from typing import Literal, TypedDict

from coterie.data.task_sampling import TaskSampling
from coterie.models.options import Quantization


class TrainSettings(TypedDict, total=False):
    """The settings of `coterie.train`: the fields of `RunConfig` with a default."""

    mix: TaskSampling
    seed: int
    batch_size: int | None
    accumulation: int
    precision: Literal["float32", "bfloat16"]
    quantize: Quantization | None
    attention: str | None
    max_pixels: int | None
    max_length: int | None
    packing: bool
    steps: int | None
    continued_to: int | None
    learning_rate: float | None
    max_grad_norm: float
    evaluate_every: int | None
    patience: int | None
    validation_limit: int
    workers: int
    save_every: int
    log_every: int
    log_usage_every: int
    skip_bad_rows: bool
    gradient_checkpointing: bool
    compile: bool
    sharding: Literal["none", "fsdp"]
    expert_parallel: int
    report_to: tuple[str, ...]
