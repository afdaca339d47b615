"""`StageRunner`: trains the stages of a run in order, each on the weights of the one before."""

from pathlib import Path
from typing import Any

from peft import PeftModel
from torch import nn
from transformers import set_seed

from coterie import distributed
from coterie.graft import graft
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.train import adapter_weights, bad_rows, checkpoint, stage_setup
from coterie.train.batch_sampler import MultiTaskDataset, derive_stage_seed
from coterie.train.callbacks import (
    InterruptHandler,
    ProgressCallback,
    make_callbacks,
    make_progress_bar,
)
from coterie.train.frozen_caches import cache_encoder_features, cache_hidden_states
from coterie.train.frozen_tasks import exclude_frozen, initialize_from_run
from coterie.train.metric_log import MetricLog
from coterie.train.run import Run
from coterie.train.run_directory import FinishedStage
from coterie.train.stage_setup import load_base, make_collator
from coterie.train.trainable import TrainableParameters, make_stage_mixtures, select_trainable
from coterie.train.trainer import MixtureTrainer, StageContext
from coterie.train.validation import BEST_FOLDER


class StageRunner:
    """Trains the unfinished stages of a run."""

    def __init__(self, run: Run, *, progress: bool | None) -> None:
        """Load the rows. Raises ValueError if some cannot be read and are not skipped."""
        self.run, self.config, self.task_set = run, run.config, run.config.tasks
        skip = self.config.skip_bad_rows
        rows = self.task_set.load_training_datasets(skip_bad_rows=skip)
        self.samples = MultiTaskDataset(rows, self.task_set.transform)
        self.validation = (
            self.task_set.load_validation_datasets(skip_bad_rows=skip)
            if self.config.validates
            else []
        )
        self.bad_rows = [row for each in (*rows, *self.validation) for row in each.bad_rows]
        self.stages = self.config.resolve_stages(self.samples.sizes)
        # Built before a model is loaded: it may need a package that is not installed.
        self.aggregator = self.config.recipe.balancing.build_aggregator()
        self.progress = progress
        self.finished_stages = run.list_finished_stages()
        self.base_parameters: tuple[str, ...] = ()

    def train(self) -> None:
        """Train the remaining stages, and write the adapter."""
        base = load_base(self.config)
        self.collator = make_collator(self.config, base.processor)
        steps = sum(each.steps or 0 for each in self.stages)
        model: Any = None
        with (
            InterruptHandler() as interrupt,
            make_progress_bar(steps, self.count_finished_steps(), progress=self.progress) as shown,
        ):
            while len(self.finished_stages) < len(self.stages):
                model = self._graft(base.model if model is None else model.unload())
                cache_encoder_features(model, base.processor)
                self._run_stage(model, shown, interrupt)
        if model is None:  # killed after the last stage, before the adapter was written
            model = self._graft(base.model, number=len(self.stages) - 1)
        self._finish(model)

    def count_finished_steps(self) -> int:
        """Return the number of steps of the finished stages."""
        return sum(each.steps for each in self.finished_stages)

    def _graft(self, base_model: Any, number: int | None = None) -> PeftModel:
        """Return the stage's model with its initial weights: the same in a resumed run."""
        number = len(self.finished_stages) if number is None else number
        stage = self.stages[number]
        for parameter in base_model.parameters():
            parameter.requires_grad_(False)
        set_seed(derive_stage_seed(self.config.seed, number))
        model = graft(
            base_model,
            make_stage_mixtures(self.config.recipe.mixtures, stage),
            tasks=self.run.task_names,
        )
        if self.finished_stages:
            copies = stage.init == "copy" and number == len(self.finished_stages)
            fill = adapter_weights.load_copies if copies else adapter_weights.load
            fill(model, self.run.folder / self.finished_stages[-1].weights_folder)
        else:
            frozen = self.task_set.frozen
            self.base_parameters = initialize_from_run(model, frozen) if frozen else ()
        return model

    def _run_stage(self, model: PeftModel, shown: Any, interrupt: InterruptHandler) -> None:
        number = len(self.finished_stages)
        stage = self.stages[number]
        folder = self.run.directory.checkpoints_folder(number, stage.name)
        trained = select_trainable(model, stage)
        if self.task_set.frozen is not None:
            trained = exclude_frozen(model, trained, self.task_set.frozen)
        context = self._make_context(model, trained, folder)
        last = checkpoint.find_latest(folder)
        args = stage_setup.make_training_arguments(
            self.config, stage, folder, seed=derive_stage_seed(self.config.seed, number),
            mixed=bool(context.base_parameters), validates=context.validation is not None,
        )  # fmt: skip
        progress_callback = ProgressCallback(shown, interrupt, stage.name)
        first_step = checkpoint.get_step(last) if last else 0
        events = make_callbacks(
            self.run.directory.events_folder(stage.name), self.config.report_to, step=first_step
        )
        shown.update(context.finished_steps + first_step - shown.n)
        with suppress_third_party_warnings(), cache_hidden_states(model):
            trainer = MixtureTrainer(context, args, [progress_callback, *events])
            context.metric_log.start()
            if not self._is_ended(last):
                trainer.train(resume_from_checkpoint=str(last) if last else None)
        self._write_skipped()
        if interrupt.requested and not self._is_ended(checkpoint.find_latest(folder)):
            raise KeyboardInterrupt(
                f"stopped after step {context.finished_steps + trainer.state.global_step}, "
                "which is saved; "
                "go on with resume=True (--resume)"
            )
        self._close_stage(stage.name, folder, context.base_parameters)

    def _make_context(
        self, model: PeftModel, trainable: TrainableParameters, folder: Path
    ) -> StageContext:
        number, before = len(self.finished_stages), self.count_finished_steps()
        stage, recipe = self.stages[number], self.config.recipe
        last = checkpoint.find_latest(folder)
        earlier = (
            self.finished_stages[-1].base_parameters
            if self.finished_stages
            else self.base_parameters
        )
        base_parameters = tuple(dict.fromkeys([*earlier, *trainable.base]))
        stage_setup.cast_to_float32(model, trainable.base)
        facts = {"step": before, "time_s": self._get_time_s()}
        if last:
            facts = checkpoint.load_state(last)[1]
        return StageContext(
            model=model,
            trainable=trainable,
            base_parameters=base_parameters,
            balancing=self._make_balancing(),
            aggregator=self.aggregator,
            task_set=self.task_set,
            losses=recipe.losses if stage.routed else (),
            tasks=self.run.task_names,
            dataset=self.samples,
            batch_sampler=stage_setup.make_batch_sampler(
                self.config, stage, self.samples.sizes, number
            ),
            collator=self.collator,
            metric_log=MetricLog(self.run.folder, step=facts["step"], time_s=facts["time_s"]),
            validation=stage_setup.make_validation(self.config, stage, self.validation),
            stage_name=stage.name,
            finished_steps=before,
            log_usage_every=self.config.log_usage_every,
            is_routed=stage.routed and bool(recipe.mixtures),
        )

    def _make_balancing(self) -> nn.Module:
        module = self.config.recipe.balancing.build(len(self.config.task_names))
        if self.finished_stages:
            checkpoint.load_module("balancing", module, self._read_last_checkpoint()[0])
        return module

    def _get_time_s(self) -> float:
        return self._read_last_checkpoint()[1]["time_s"] if self.finished_stages else 0.0

    def _read_last_checkpoint(self) -> Any:
        """Read the state of the previous stage's last checkpoint."""
        last = checkpoint.find_latest(
            (self.run.folder / self.finished_stages[-1].weights_folder).parent
        )
        assert last is not None
        return checkpoint.load_state(last)

    def _is_ended(self, last: Path | None) -> bool:
        """Return whether a checkpoint ends its stage: all steps done, or patience exhausted."""
        if last is None:
            return False
        facts = checkpoint.load_state(last)[1]
        patience = self.config.patience
        since = facts.get("validation", {}).get("evals_since_best", 0)
        return (
            bool(patience and since >= patience)
            or checkpoint.get_step(last) == self.stages[len(self.finished_stages)].steps
        )

    def _close_stage(self, stage: str, folder: Path, base_parameters: tuple[str, ...]) -> None:
        """Record the stage as finished, with its best weights, or the last."""
        distributed.barrier()
        last = checkpoint.find_latest(folder)
        assert last is not None
        best = folder / BEST_FOLDER
        source = (best if best.is_dir() else last).relative_to(self.run.folder)
        done = FinishedStage(
            stage=stage,
            steps=checkpoint.get_step(last),
            weights_folder=source.as_posix(),
            base_parameters=base_parameters,
        )
        if distributed.is_rank_zero():
            self.run.add_finished_stage(done)
        distributed.barrier()
        self.finished_stages.append(done)

    def _write_skipped(self) -> None:
        """Add samples that were too long to the file of bad rows, once each."""
        path = self.run.directory.bad_rows_file()
        bad_rows.write_bad_rows(path, [*bad_rows.read_bad_rows(path), *self.collator.skipped])

    def _finish(self, model: PeftModel) -> None:
        adapter_weights.load(model, self.run.folder / self.finished_stages[-1].weights_folder)
        base_parameters = self.finished_stages[-1].base_parameters
        if distributed.is_rank_zero():
            checkpoint.write_atomically(
                self.run.directory.adapter_folder,
                lambda folder: adapter_weights.save(model, base_parameters, folder),
            )
        distributed.barrier()
