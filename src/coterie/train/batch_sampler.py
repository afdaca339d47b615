"""The batches of each device, accumulation step and stage: which samples are in them."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64

from coterie import distributed
from coterie.stage import Stage
from coterie.train.branches import find_datasets
from coterie.train.config import RunConfig
from coterie.train.datasets import MultiTaskDataset, SampleIndex
from coterie.train.task_shares import TaskShares


class StageBatchSampler:
    """The `batch_sampler` of a DataLoader: a stage's batches, one an accumulation step."""

    def __init__(
        self, config: RunConfig, stage: Stage, data: MultiTaskDataset, number: int,
        shares: TaskShares | None = None,
    ) -> None:  # fmt: skip
        """Sample all batches; a pure function of the arguments and this process's rank.

        Args:
            stage: one of `RunConfig.resolve_stages`.
            data: the rows; only their numbers matter, and with `group_by_modality` what is in them.
            number: the stage's place in the run, from 0.
            shares: what `make_stage_shares` returned. Where they change while batches are taken,
                those of later steps are sampled again.

        Raises ValueError if a step's samples cannot be split evenly.
        """
        parts, world_size = config.accumulation, distributed.get_world_size()
        size = config.get_global_batch_size(stage)
        if size % (parts * world_size):
            raise ValueError(
                f"a batch of {size} cannot be split into {parts} equal parts on {world_size} "
                f"devices: give a batch_size that is a multiple of {parts * world_size}"
            )
        self.config, self.stage, self.data, self.shares = config, stage, data, shares
        self.seed = derive_stage_seed(config.seed, number)
        self.batches = self._sample_batches()

    def _sample_batches(self) -> Int64[np.ndarray, "parts batch 3"]:
        """Sample this process's part of every accumulation step."""
        config, stage, seed = self.config, self.stage, self.seed
        assert stage.steps is not None
        parts, size = config.accumulation, config.get_global_batch_size(stage)
        samples: Int64[np.ndarray, "steps batch 2"]
        own = np.array(find_datasets(stage, config.task_names, len(self.data.sizes)))
        weights = compute_sampling_weights(config, stage, self.data.sizes)
        if config.mix.group_by_modality:
            groups = self.data.find_groups()
            samples = config.mix.sample_grouped_batches(
                [groups[each] for each in own], batch_size=size // parts,
                steps=stage.steps * parts, seed=seed, weights=weights,
            ).reshape(stage.steps, size, 2)  # fmt: skip
        else:
            samples = config.mix.sample_batches(
                [self.data.sizes[each] for each in own], batch_size=size, steps=stage.steps,
                seed=seed, weights=weights,
                shares=None if self.shares is None else self.shares.list_by_step(),
            )  # fmt: skip
        samples[..., 0] = own[samples[..., 0]]
        # Sampled for all parts and devices at once: a sample's seed depends on its position alone.
        seeds = np.random.default_rng([seed, 1]).integers(2**63 - 1, size=(stage.steps, size, 1))
        indices = np.concatenate([samples, seeds], axis=2)
        by_device = indices.reshape(stage.steps, parts, distributed.get_world_size(), -1, 3)
        return by_device[:, :, distributed.get_rank()].reshape(stage.steps * parts, -1, 3)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        known = 0  # changes of the shares
        for number in range(len(self)):
            if self.shares is not None and len(self.shares.changes) != known:
                self.batches, known = self._sample_batches(), len(self.shares.changes)
            yield list(map(tuple, self.batches[number].tolist()))


def make_stage_shares(config: RunConfig, stage: Stage, sizes: Sequence[int]) -> TaskShares | None:
    """Return the shares of a stage's tasks that validation adapts; None where `mix` has it not.

    Raises ValueError for tasks whose samples are the same, for `task_shares`, for fewer than two
    tasks with validation rows, and as `TaskShares`.
    """
    if config.mix.adaptation is None:
        return None
    own = find_datasets(stage, config.task_names, len(sizes))
    if len(sizes) != len(config.task_names) or stage.task_shares:
        raise ValueError(
            f"stage {stage.name!r} and {config.mix.adaptation}: shares are adapted where each "
            "task has rows of its own, and none has its share in task_shares; leave "
            "mix.adaptation or task_shares out"
        )
    weights = compute_sampling_weights(config, stage, sizes)
    shares = config.mix.compute_task_probabilities([sizes[each] for each in own], weights)
    names = [config.task_names[each] for each in own]
    validated = set(config.tasks.select_with("validation").names).intersection(names)
    if len(validated) < 2 <= len(names):
        raise ValueError(
            f"stage {stage.name!r} and {config.mix.adaptation}: shares follow the validation of "
            f"two tasks or more, and {' and '.join(sorted(validated)) or 'none'} has validation "
            "rows: name a validation split in tasks.yaml, or leave mix.adaptation out"
        )
    assert stage.steps is not None
    first = dict(zip(names, shares.tolist(), strict=True))
    return TaskShares(config.mix.adaptation, first, steps=stage.steps)


def compute_sampling_weights(
    config: RunConfig, stage: Stage, sizes: Sequence[int]
) -> list[float] | None:
    """Return a factor of the sampling share of each data set that a stage is trained on.

    They are the tasks' own weights, and what gives `task_shares` their shares. None for equal ones.

    Raises ValueError for shares of tasks whose samples are the same, or of all tasks.
    """
    own, given = find_datasets(stage, config.task_names, len(sizes)), None
    if (weights := config.tasks.get_sampling_weights()) is not None:
        given = [weights[each] for each in own]
    if not stage.task_shares:
        return given
    if len(sizes) != len(config.task_names) or len(stage.task_shares) == len(own):
        raise ValueError(
            f"stage {stage.name!r} has task_shares={dict(stage.task_shares)}, and its tasks share "
            "their samples or none is left for the rest: give shares of some tasks, each with rows "
            "of its own"
        )
    shares = config.mix.compute_task_probabilities([sizes[each] for each in own], given)
    fixed = [stage.task_shares.get(config.task_names[each]) for each in own]
    rest = 1 - sum(stage.task_shares.values())
    free = sum(share for share, each in zip(shares, fixed, strict=True) if each is None)
    factors = given or [1.0] * len(own)
    return [
        factor * (rest / free if each is None else each / share)
        for factor, share, each in zip(factors, shares, fixed, strict=True)
    ]


def derive_stage_seed(seed: int, stage: int) -> int:
    """Derive the seed of a stage; those of a run's stages, and of runs, differ."""
    return int(np.random.SeedSequence([seed, stage]).generate_state(1)[0])
