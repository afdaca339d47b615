"""`StageRunner`: trains the stages of a run in order, each on the weights of the one before."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import set_seed

from coterie import distributed
from coterie.graft import graft
from coterie.progress import Progress
from coterie.stage import Stage
from coterie.tasks.text.packing import check_packing
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.train import adapter_weights, checkpoint, expert_parallel, sharding
from coterie.train.batch_sampler import derive_stage_seed, make_stage_shares
from coterie.train.branches import find_datasets
from coterie.train.callbacks import ProgressCallback, ignore_event_errors, make_callbacks
from coterie.train.compilation import compile_model
from coterie.train.config import RunConfig
from coterie.train.datasets import TrainingRows
from coterie.train.finished_stages import (
    FinishedStage,
    add_finished_stage,
    read_finished_stages,
)
from coterie.train.frozen_caches import cache_encoder_features, cache_hidden_states
from coterie.train.frozen_mixtures import check_frozen_tensors, has_mixtures_by_task
from coterie.train.frozen_tasks import exclude_frozen
from coterie.train.header import describe_training
from coterie.train.initial_weights import (
    check_starts,
    read_expert_sources,
    set_initial_weights,
)
from coterie.train.interrupt import InterruptHandler, StoppedBySignal
from coterie.train.metric_log import MetricLog
from coterie.train.model_card import write_model_card
from coterie.train.run_directory import RunDirectory
from coterie.train.stage_context import StageContext
from coterie.train.trainable import (
    ADAPTER_NAME,
    TrainableParameters,
    make_stage_mixtures,
    select_trainable,
)
from coterie.train.trainer import MixtureTrainer
from coterie.train.validation import Validation
from coterie.tuner.config import WEIGHTS


class StageRunner:
    """Trains the unfinished stages of a run."""

    def __init__(
        self, config: RunConfig, directory: RunDirectory, rows: TrainingRows, *,
        device: torch.device, progress: bool | None,
    ) -> None:  # fmt: skip
        self.config, self.directory = config, directory
        self.samples, self.validation = rows.samples, rows.validation
        self.stages = config.resolve_stages(self.samples.sizes)
        # Built before a model is loaded: it may need a package that is not installed.
        self.aggregator = self.config.recipe.balancing.build_aggregator()
        self.device, self.progress = device, progress
        self.is_sharded = sharding.is_used(self.config) or expert_parallel.is_used(self.config)
        self.finished_stages = read_finished_stages(directory)
        self.base_parameters: tuple[str, ...] = ()
        for stage in self.stages[len(self.finished_stages) :]:  # what stops one is told here
            check_starts(stage, directory)
            self._make_validation(stage)
            make_stage_shares(config, stage, self.samples.sizes)

    def train(self) -> None:
        """Train the remaining stages, and write the adapter."""
        # New weights are drawn where the model lies: so they are equal on all devices.
        # Quantised weights cannot be moved.
        base = self.config.load_base(self.device if self.config.quantize else "cpu")
        self.processor = base.processor
        self.collator = self.config.make_collator(base.processor)
        model: Any = None
        with InterruptHandler() as interrupt, self._open_progress() as shown:
            while len(self.finished_stages) < len(self.stages):
                model = self._graft(base.model if model is None else model.unload())
                self._run_stage(model, shown, interrupt)
                if self._needs_new_base():
                    base, model = self.config.load_base("cpu"), None
        if model is None:  # killed after the last stage, before the adapter was written
            model = self._graft(base.model)
        self._finish(model)
        if interrupt.requested:  # within the last step: what the caller does next is stopped
            raise StoppedBySignal("stopped; the run is finished", interrupt.number)

    def _needs_new_base(self) -> bool:
        """Return whether the next stage takes the base model as it was before training."""
        rest = self.stages[len(self.finished_stages) :]
        # A sharded model is neither grafted again nor saved by PEFT.
        return self.is_sharded or bool(rest and rest[0].init in ("branch", "assemble"))

    def _open_progress(self) -> Progress:
        """Open the progress over all stages, with a guess of the time after three steps."""
        return Progress(
            sum(each.steps or 0 for each in self.stages), "train", unit="step",
            initial=self.count_finished_steps(), shown=self.progress, first_line_after=2,
        )  # fmt: skip

    def count_finished_steps(self) -> int:
        """Return the number of steps of the finished stages."""
        return sum(each.steps for each in self.finished_stages)

    def _graft(self, base_model: Any) -> PeftModel:
        """Return the next stage's model with its initial weights: the same in a resumed run.

        After the last stage, return that of the last one, whose weights are loaded later.
        """
        finished, config = self.finished_stages, self.config
        number = min(len(finished), len(self.stages) - 1)
        starts = number == len(finished)
        stage = self.stages[number]
        for parameter in base_model.parameters():
            parameter.requires_grad_(False)
        given = (config, self.directory, self.stages, finished)
        sources = read_expert_sources(*given, base_model) if starts else []
        set_seed(derive_stage_seed(config.seed, number))
        mixtures = make_stage_mixtures(config.recipe.mixtures, stage)
        model = graft(base_model, mixtures, tasks=config.task_names)
        if starts:
            self.base_parameters = set_initial_weights(model, *given, sources)
        return model

    def _run_stage(self, model: PeftModel, shown: Progress, interrupt: InterruptHandler) -> None:
        context, directory = self._make_context(model), self.directory
        if not sharding.is_used(self.config):  # once the stage's parameters are trainable
            cache_encoder_features(model, self.processor)
        last, stage = checkpoint.find_latest(context.folder), context.stage.name
        step, events = checkpoint.get_step(last) if last else 0, directory.events_folder(stage)
        callbacks = make_callbacks(events, self.config.report_to, step=step)
        shown.move_to(context.finished_steps + step)
        shown.set_phase(stage)
        shown.write(describe_training(context))
        # Processes whose caches differ would not run the same blocks of a sharded model, and a
        # compiled model cannot read files.
        compiles, caches = self.config.compile, not (self.is_sharded or self.config.compile)
        cached = cache_hidden_states(model) if caches else nullcontext()
        compiled = compile_model(model) if compiles else nullcontext()
        with suppress_third_party_warnings(), cached, compiled:
            trainer = MixtureTrainer(context, callbacks)
            size = self.config.get_global_batch_size(context.stage)
            callback = ProgressCallback(shown, interrupt, trainer.running_sums, size)
            trainer.add_callback(callback)
            if self.config.packing:
                check_packing(model)
            context.metric_log.start()
            if not self._is_ended(last):
                with ignore_event_errors():
                    trainer.train(resume_from_checkpoint=str(last) if last else None)
        distributed.barrier()  # until the last checkpoint is written
        if interrupt.requested and not self._is_ended(checkpoint.find_latest(context.folder)):
            raise StoppedBySignal(
                f"stopped after step {context.finished_steps + trainer.state.global_step}, "
                "which is saved; go on with resume=True (--resume)",
                interrupt.number,
            )
        self._close_stage(context)

    def _select_trainable(self, model: PeftModel, stage: Stage) -> TrainableParameters:
        trainable, frozen = select_trainable(model, stage), self.config.tasks.frozen
        return trainable if frozen is None else exclude_frozen(model, trainable, frozen)

    def _make_context(self, model: PeftModel) -> StageContext:
        number, config = len(self.finished_stages), self.config
        stage = self.stages[number]
        trainable = self._select_trainable(model, stage)
        for name in trainable.base:  # in bfloat16 small updates would be lost
            parameter = model.get_parameter(name)
            parameter.data = parameter.data.float()
        if self.is_sharded:
            self._shard(model)
            trainable = self._select_trainable(model, stage)  # its parameters are others now
        balancing = config.recipe.balancing.build(len(config.task_names))
        facts: Any = {"step": 0, "time_s": 0.0}
        if self.finished_stages:
            before = self.finished_stages[-1]
            last = checkpoint.find_latest((self.directory.folder / before.weights_folder).parent)
            assert last is not None
            tensors, facts = checkpoint.load_state(last)
            checkpoint.load_balancing(balancing, tensors)
        folder = self.directory.checkpoints_folder(number, stage.name)
        if last := checkpoint.find_latest(folder):
            facts = checkpoint.load_state(last)[1]
        return StageContext(
            config=config, stage=stage, number=number, folder=folder, device=self.device,
            model=model, trainable=trainable,
            base_parameters=tuple(dict.fromkeys([*self.base_parameters, *trainable.base])),
            balancing=balancing, aggregator=self.aggregator,
            dataset=self.samples, collator=self.collator,
            metric_log=MetricLog(
                self.directory.folder, step=facts["step"], time_s=facts["time_s"],
                digest=facts.get("log_sha256"),
            ),
            validation=self._make_validation(stage),
            shares=make_stage_shares(config, stage, self.samples.sizes),
            finished_steps=self.count_finished_steps(),
        )  # fmt: skip

    def _shard(self, model: PeftModel) -> None:
        experts: tuple[Any, ...] = ()
        if expert_parallel.is_used(self.config):
            experts = expert_parallel.shard_experts(model, self.config.expert_parallel, self.device)
        if sharding.is_used(self.config):
            sharding.shard(model, self.device, apart=experts)

    def _make_validation(self, stage: Stage) -> Validation | None:
        config = self.config
        if not config.validates:
            return None
        if config.patience is None and not self.validation:
            raise ValueError(
                f"evaluate_every={config.evaluate_every}: no task has validation rows; name a "
                "validation split in tasks.yaml, or leave it out"
            )
        names = config.tasks.select_with("validation").names
        own = find_datasets(stage, names, len(self.validation))
        size = max(1, config.get_global_batch_size(stage) // config.accumulation)
        limit, patience = config.validation_limit, config.patience
        datasets = [self.validation[each] for each in own]
        return Validation(datasets, limit=limit, batch_size=size, patience=patience)

    def _is_ended(self, last: Path | None) -> bool:
        """Return whether a checkpoint ends its stage: all steps done, or patience exhausted."""
        if last is None:
            return False
        if checkpoint.get_step(last) == self.stages[len(self.finished_stages)].steps:
            return True
        since = checkpoint.load_state(last)[1].get("validation", {}).get("evals_since_best", 0)
        return self.config.patience is not None and since >= self.config.patience

    def _close_stage(self, context: StageContext) -> None:
        """Record the stage as finished, with its best weights, or the last."""
        last, best = checkpoint.find_latest(context.folder), context.folder / checkpoint.BEST_FOLDER
        assert last is not None
        source = best if best.is_dir() else last
        done = FinishedStage(
            stage=context.stage.name,
            steps=checkpoint.get_step(last),
            weights_folder=source.relative_to(self.directory.folder).as_posix(),
            base_parameters=context.base_parameters,
        )
        if distributed.is_rank_zero():
            if context.stage.mixtures is not None:
                self._save_stage_adapter(context, source)
            add_finished_stage(self.directory, done)
        distributed.barrier()
        self.finished_stages.append(done)

    def _save_stage_adapter(self, context: StageContext, weights: Path) -> None:
        """Save the adapter of a stage that has mixtures of its own, as another run can start."""

        def save(folder: Path) -> None:
            context.model.peft_config[ADAPTER_NAME].save_pretrained(str(folder))
            shutil.copyfile(weights / WEIGHTS, folder / WEIGHTS)

        folder = self.directory.stage_adapter_folder(context.stage.name)
        checkpoint.write_atomically(folder, save)

    def _finish(self, model: PeftModel) -> None:
        last = self.finished_stages[-1]
        adapter_weights.load(model, self.directory.folder / last.weights_folder)
        if distributed.is_rank_zero():

            def save(folder: Path) -> None:
                adapter_weights.save(model, last.base_parameters, folder)
                if (frozen := self.config.tasks.frozen) and has_mixtures_by_task(model):
                    check_frozen_tensors(frozen, folder)
                write_model_card(folder, self.config, self.stages)

            checkpoint.write_atomically(self.directory.adapter_folder, save)
        distributed.barrier()
