"""`MixtureTrainer`: transformers' Trainer with task losses, routing losses and checkpoints."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer

from coterie import distributed
from coterie.graft import observe
from coterie.routing.decision import Tape
from coterie.tasks.losses import ItemLosses, PartLosses, compute_objective, sum_by_task
from coterie.train import adapter_weights, expert_parallel, sharding
from coterie.train.batch_sampler import StageBatchSampler
from coterie.train.checkpoint import find_latest, load_random, load_trainer, save_best, save_trainer
from coterie.train.datasets import make_loader, receive
from coterie.train.metric_log import flatten_for_trackers
from coterie.train.running_sums import RunningSums
from coterie.train.stage_context import StageContext
from coterie.train.task_gradients import TaskGradients
from coterie.train.trainable import group_parameters
from coterie.train.validation import Validation

Batch = dict[str, Any]
Count = Tensor | int | None
"""The items of an optimizer step, as Trainer has counted them."""


class MixtureTrainer(Trainer):
    """The Trainer of one stage, which differs in data, loss, logging and checkpoints."""

    def __init__(self, context: StageContext, callbacks: Sequence[Any] = ()) -> None:
        args = context.make_training_arguments()
        self.stage_context, self.task_set = context, context.config.tasks
        self.num_tasks = len(self.task_set.names)
        self.balancing = context.balancing.to(args.device)
        self.running_sums = RunningSums(context, args)
        self.gradient_norm: float | Tensor | None = None
        self.last_validation: dict[str, float] = {}
        context.trainable.zero_frozen_gradients()
        # The second data set, for validation, is required, but not used.
        data, collator = context.dataset, cast(Any, context.collator)
        super().__init__(context.model, args, collator, data, data, callbacks=list(callbacks))
        self.remove_callback(PrinterCallback)
        self.divides_experts = expert_parallel.is_used(context.config)
        if self.divides_experts or sharding.is_used(context.config):
            # Not by DistributedDataParallel, only for autocast.
            model: Any = self.accelerator.prepare_model(context.model, evaluation_mode=True)
            model._is_accelerate_prepared = True
        # Trainer counts the items of an optimizer step, and the loss is divided by their number.
        self.model_accepts_loss_kwargs = True
        self.base_model, self.task_gradients = context.model.get_base_model(), None
        if context.aggregator is not None:
            self.task_gradients = TaskGradients.from_model(context.model, tasks=self.num_tasks)

    def get_train_dataloader(self) -> DataLoader:
        # Not prepared by accelerate: the batch sampler returns this device's samples already.
        context, data = self.stage_context, self.stage_context.dataset
        given = (context.config, context.stage, data, context.number, context.shares)
        sampler = StageBatchSampler(*given)
        return make_loader(data, context.collator, sampler, workers=context.config.workers)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], Tensor]:
        """Take the parts of a step; count their items, of all devices. Trainer counts tokens."""
        parts = list(map(receive, itertools.islice(epoch_iterator, num_batches)))
        total = torch.tensor(float(sum(map(self.task_set.count_items, parts))), device=device)
        distributed.all_reduce_sum(total)
        return parts, total

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Count = None,
    ) -> Tensor:
        """Return this part's share of the step's loss: the parts add up to the batch's loss."""
        return self._compute_losses(model, inputs, num_items_in_batch).total

    def _compute_losses(self, model: nn.Module, inputs: Batch, num_items: Count) -> PartLosses:
        """Compute the losses of one part of a step, and add them to the log's running sums."""
        is_recorded = self.stage_context.losses or self.running_sums.needs_routing(self.state)
        features = any(loss.reads_features for loss in self.stage_context.losses)
        recording = observe(model, features=features) if is_recorded else None
        with recording or contextlib.nullcontext(Tape()) as tape:
            found = self.task_set.compute_losses(model, self.base_model, inputs)
        sums = sum_by_task(found, self.num_tasks)
        assert num_items is not None
        total = torch.as_tensor(num_items, device=found.losses.device)
        # DistributedDataParallel averages over processes; these losses must be summed.
        share = compute_objective(sums, self.balancing, total.clamp_min(1))
        share = share * self.accelerator.num_processes
        routing = self._compute_routing_losses(tape) if self.stage_context.losses else []
        loss = torch.stack([share, *routing]).sum() if routing else share
        self.running_sums.add_losses(loss, sums, routing)
        self.running_sums.add_usage(tape, self.state)
        self._check_finite(loss.detach(), inputs)
        return PartLosses(loss, sums, routing)

    def training_step(
        self, model: nn.Module, inputs: Batch, num_items_in_batch: Count = None
    ) -> Tensor:
        """Run Trainer's step; or, with gradient balancing, one backward pass for each task."""
        gradients, aggregator = self.task_gradients, self.stage_context.aggregator
        if gradients is None or aggregator is None:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        inputs = self._prepare_inputs(inputs)
        with self.compute_loss_context_manager():
            # Not through DistributedDataParallel, which reduces the gradients of only one loss.
            losses = self._compute_losses(self.stage_context.model, inputs, num_items_in_batch)
        gradients.add(losses.tasks, losses.routing)
        if self.accelerator.sync_gradients:
            gradients.reduce()
            if not gradients.is_finite():
                self._raise_not_finite("a gradient of a task's loss is not finite")
            gradients.write(gradients.combine(aggregator))
        return losses.total.detach()

    def _compute_routing_losses(self, tape: Tape) -> list[Float[Tensor, ""]]:
        """Compute the routing losses, each the mean over the accumulation steps."""
        distributed.assert_same_layers_across_ranks(tape)
        parts, sums = self.current_gradient_accumulation_steps, self.running_sums
        return [loss / parts for loss in sums.weigh_routing_losses(tape, share=1 / parts)]

    def _check_finite(self, loss: Tensor, inputs: Batch) -> None:
        if not bool(torch.isfinite(loss)):
            tasks = ", ".join(self.task_set.get_task_names(inputs))
            self._raise_not_finite(f"the loss is {float(loss)} in a batch of {tasks}")

    def _raise_not_finite(self, what: str) -> None:
        context, last = self.stage_context, find_latest(self.stage_context.folder)
        saved = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
        step = context.finished_steps + self.state.global_step + 1
        advice = "Train anew with a lower learning_rate or a warmup, or in float32"
        if step == 1:  # nothing was learned yet
            advice = "See whether `coterie check` finds the base model damaged, or train in float32"
        raise FloatingPointError(
            f"stage {context.stage.name!r}, step {step}: {what}; {saved}. {advice}; if it is one "
            "task alone, look at its rows"
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Create AdamW, fused where the device has it."""
        if self.optimizer is None:
            context, stage = self.stage_context, self.stage_context.stage
            groups = group_parameters(context.model, context.balancing, context.trainable, stage)
            fused = self.args.device.type in ("cpu", "cuda")
            groups = sharding.split_groups(groups)
            self.optimizer = AdamW(groups, lr=stage.learning_rate, eps=stage.epsilon, fused=fused)
            self.optimizer.register_step_post_hook(self._after_step)
        return self.optimizer

    def _get_parameters(self) -> list[nn.Parameter]:
        return [each for group in self.optimizer.param_groups for each in group["params"]]

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> None:
        """Clip the gradients, which Trainer does not, see `StageContext`."""
        distributed.average_gradients(self.balancing)  # first: all must have the same norm
        if self.divides_experts:
            expert_parallel.reduce_gradients(self.stage_context.model)
        if limit := self.stage_context.config.max_grad_norm:
            self.gradient_norm = sharding.clip_gradients(self._get_parameters(), limit)

    def _after_step(self, optimizer: torch.optim.Optimizer, *rest: Any) -> None:
        """Clear all gradients; restore frozen rows, which weight decay has moved."""
        optimizer.zero_grad()
        self.stage_context.trainable.restore()

    def floating_point_ops(self, inputs: Batch) -> int:
        return 0  # Trainer's iterates over all parameters in every step, for an unused number

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        """Log, validate and save as Trainer does, but with validation losses in the log record."""
        control = self.control
        if control.should_evaluate and self.stage_context.validation is not None:
            self._validate(self.stage_context.validation)
            logged = flatten_for_trackers({"validation_loss": self.last_validation})
            self.control = self.callback_handler.on_evaluate(self.args, self.state, control, logged)
        is_new = self._globalstep_last_logged < self.state.global_step
        is_last = self.state.global_step == self.state.max_steps  # which Trainer does not log
        if is_new and (control.should_log or is_last or self.last_validation):
            self._write_record(kwargs.get("learning_rate"))
        if control.should_save:
            self._write_checkpoint()
            self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    def _validate(self, validation: Validation) -> None:
        """Compute validation losses, save the best weights, and stop when patience is exhausted."""
        context, model = self.stage_context, self.stage_context.model

        def compute_losses(samples: list[Any]) -> ItemLosses:
            batch = self._prepare_inputs(context.collator(samples))
            return self.task_set.compute_losses(model, self.base_model, batch)

        with self.compute_loss_context_manager():
            mine = validation.run(model, compute_losses, self.task_set.names)
        # Equal but for rounding on some devices; all must stop at the same step.
        self.last_validation = distributed.all_gather_object(mine)[0]
        if context.shares is not None:
            context.shares.update(self.state.global_step, self.last_validation)
        if validation.is_new_best(self.last_validation):
            save_best(context)
        if validation.is_exhausted:
            self.control.should_training_stop = self.control.should_save = True

    def _write_record(self, learning_rate: float | None) -> None:
        step, norm = self.state.global_step, self.gradient_norm
        measured: dict[str, Any] = {"learning_rate": learning_rate}
        measured["gradient_norm"] = None if norm is None else float(norm)
        if self.last_validation:
            measured["validation_loss"] = self.last_validation
            if (shares := self.stage_context.shares) is not None:
                measured["task_shares"] = shares.current
        num_steps = step - self._globalstep_last_logged
        record = self.running_sums.make_record(step, num_steps, measured)
        self._globalstep_last_logged = step
        self.running_sums.clear()
        self.last_validation = {}
        if self.is_world_process_zero():
            self.stage_context.metric_log.write(record)
        self.state.epoch = record["stage_epoch"]
        self.log(flatten_for_trackers(record))
        # log.jsonl has it; Trainer would save it again with every checkpoint.
        self.state.log_history.clear()

    def _write_checkpoint(self) -> None:
        # A non-finite gradient shows in the loss only one step later, after the checkpoint.
        mine = map(sharding.get_local, self._get_parameters())
        if distributed.is_true_anywhere(not all(bool(each.isfinite().all()) for each in mine)):
            self._raise_not_finite("a weight is not finite after this step")
        assert self.optimizer is not None
        logged = self._globalstep_last_logged
        save_trainer(self.state, self.optimizer, self.running_sums, logged)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        adapter_weights.load(self.stage_context.model, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            assert self.optimizer is not None and isinstance(self.lr_scheduler, LambdaLR)
            folder, state, sums = Path(checkpoint), self.state, self.running_sums
            load_trainer(folder, state, self.optimizer, self.lr_scheduler, sums)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            # Trainer has just set it to the step that training resumes from.
            self._globalstep_last_logged = load_random(Path(checkpoint))
