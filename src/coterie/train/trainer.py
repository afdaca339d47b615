"""`MixtureTrainer`: transformers' Trainer with task losses, routing losses and checkpoints."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainingArguments

from coterie import distributed
from coterie.distributed import assert_same_layers_across_ranks
from coterie.graft import observe
from coterie.routing.decision import Tape
from coterie.tasks.losses import ItemLosses, sum_by_task
from coterie.train import adapter_weights
from coterie.train.checkpoint import (
    CHECKPOINT_PREFIX,
    find_latest,
    load_random,
    remove_old,
    write_atomically,
)
from coterie.train.expert_metrics import ExpertMetrics
from coterie.train.log_record import make_log_record
from coterie.train.metric_log import RunningSums, flatten_for_trackers
from coterie.train.objective import PartLosses, compute_objective
from coterie.train.stage_setup import StageContext
from coterie.train.task_gradients import TaskGradients
from coterie.train.trainable import parameter_groups, zero_frozen_gradients
from coterie.train.trainer_state import CheckpointedState
from coterie.train.validation import BEST_FOLDER, Validation

BETAS = (0.9, 0.999)


class MixtureTrainer(Trainer):
    """The Trainer of one stage, which differs in data, loss, logging and checkpoints."""

    def __init__(
        self, stage_context: StageContext, args: TrainingArguments, callbacks: Sequence[Any] = ()
    ) -> None:
        self.stage_context = stage_context
        self.folder = Path(str(args.output_dir))
        self.balancing = stage_context.balancing.to(args.device)
        self.running_sums = RunningSums(
            len(stage_context.tasks), len(stage_context.losses), args.device
        )
        self.expert_metrics = ExpertMetrics(stage_context, int(args.logging_steps))
        self.gradient_norm: float | Tensor | None = None
        self.last_validation: dict[str, float] = {}
        self.task_gradients: TaskGradients | None = None
        self.gradient_hooks = zero_frozen_gradients(stage_context.trainable.frozen_rows)
        super().__init__(
            model=stage_context.model,
            args=args,
            train_dataset=stage_context.dataset,
            eval_dataset=stage_context.dataset
            if stage_context.validation
            else None,  # required by Trainer, but not used
            data_collator=cast(Any, stage_context.collator),
            callbacks=list(callbacks),
        )
        self.remove_callback(PrinterCallback)
        # Trainer counts the items of an optimizer step, and the loss is divided by their number.
        self.model_accepts_loss_kwargs = True
        self.base_model = stage_context.model.get_base_model()
        if stage_context.aggregator is not None:
            self.task_gradients = TaskGradients.from_model(
                stage_context.model, tasks=len(stage_context.tasks)
            )

    # Data

    def get_train_dataloader(self) -> DataLoader:
        # Not prepared by accelerate: the batch sampler returns this device's samples already.
        return DataLoader(
            self.stage_context.dataset,
            batch_sampler=cast(Any, self.stage_context.batch_sampler),
            collate_fn=self.stage_context.collator,
        )

    def _get_num_items_in_batch(
        self, batch_samples: list[dict[str, Any]], device: torch.device
    ) -> Tensor:
        """Count the items of all parts of a step, on all devices; Trainer's counts tokens only."""
        counts = [self.stage_context.task_set.count_items(batch) for batch in batch_samples]
        total = torch.tensor(float(sum(counts)), device=device)
        gathered: Any = self.accelerator.gather(total) if self.args.world_size > 1 else total
        return gathered.sum()

    # Loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return this part's share of the step's loss: the parts add up to the batch's loss."""
        return self._compute_losses(model, inputs, num_items_in_batch).total

    def _compute_losses(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None
    ) -> PartLosses:
        """Compute the losses of one part of a step, and add them to the log's running sums."""
        context = self.stage_context
        with self._observe_routing(model) as tape:
            found = context.task_set.compute_losses(model, self.base_model, inputs)
        sums = sum_by_task(found, len(context.tasks))
        assert num_items_in_batch is not None
        total = torch.as_tensor(num_items_in_batch, device=found.losses.device)
        # DistributedDataParallel averages over processes; these losses must be summed.
        share = (
            compute_objective(sums, self.balancing, total.clamp_min(1))
            * self.accelerator.num_processes
        )
        routing = self._compute_routing_losses(tape) if context.losses else []
        loss = torch.stack([share, *routing]).sum() if routing else share
        self.running_sums.add(loss, sums, routing)
        self.expert_metrics.add(tape, self.state)
        self._check_finite(loss.detach(), inputs)
        return PartLosses(loss, sums, routing)

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Run Trainer's step; or, with gradient balancing, one backward pass for each task."""
        if self.task_gradients is None:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        inputs = self._prepare_inputs(inputs)
        with self.compute_loss_context_manager():
            # Not through DistributedDataParallel, which reduces the gradients of only one loss.
            losses = self._compute_losses(self.stage_context.model, inputs, num_items_in_batch)
        self.task_gradients.add(losses.tasks, losses.routing)
        if self.accelerator.sync_gradients:
            self._write_combined_gradient(self.task_gradients)
        return losses.total.detach()

    def _write_combined_gradient(self, gradients: TaskGradients) -> None:
        """Combine the tasks' gradients, once all parts of a step have been added."""
        assert self.stage_context.aggregator is not None
        gradients.reduce()
        if not gradients.is_finite():
            self._raise_not_finite("a gradient of a task's loss is not finite")
        gradients.write(gradients.combine(self.stage_context.aggregator))

    def _compute_routing_losses(self, tape: Tape) -> list[Float[Tensor, ""]]:
        """Compute the routing losses, each the mean over the accumulation steps."""
        assert_same_layers_across_ranks(tape)
        return [
            each(tape) / self.current_gradient_accumulation_steps
            for each in self.stage_context.losses
        ]

    @contextlib.contextmanager
    def _observe_routing(self, model: nn.Module) -> Iterator[Tape]:
        if not self.stage_context.losses and not self.expert_metrics.is_due(self.state):
            yield Tape()
            return
        with observe(model) as tape:
            yield tape

    def _check_finite(self, loss: Tensor, inputs: dict[str, Any]) -> None:
        if bool(torch.isfinite(loss)):
            return
        tasks = ", ".join(self.stage_context.task_set.get_task_names(inputs))
        self._raise_not_finite(f"the loss is {float(loss)} in a batch of {tasks}")

    def _raise_not_finite(self, what: str) -> None:
        context, last = self.stage_context, find_latest(self.folder)
        saved = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
        raise FloatingPointError(
            f"stage {context.stage_name!r}, step "
            f"{context.finished_steps + self.state.global_step + 1}: {what}; {saved}. Train anew "
            "with a lower learning_rate or a warmup, or in float32; if it is "
            "one task alone, look at its rows"
        )

    # Optimizer

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Create AdamW of `parameter_groups`."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(
                parameter_groups(
                    self.stage_context.model,
                    self.balancing,
                    self.stage_context.trainable,
                    learning_rate=self.args.learning_rate,
                    weight_decay=self.args.weight_decay,
                ),
                lr=self.args.learning_rate,
                betas=BETAS,
                eps=self.args.adam_epsilon,
                fused=self.args.device.type in ("cpu", "cuda"),
            )
            self.optimizer.register_step_pre_hook(self._before_step)
            self.optimizer.register_step_post_hook(self._after_step)
        return self.optimizer

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        distributed.average_gradients(self.balancing)  # first: all must have the same norm
        parameters = [each for group in self.optimizer.param_groups for each in group["params"]]
        return nn.utils.clip_grad_norm_(parameters, self.args.max_grad_norm)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        self.gradient_norm = grad_norm
        return grad_norm

    def _before_step(self, optimizer: torch.optim.Optimizer, *rest: Any) -> None:
        if not self.args.max_grad_norm:
            distributed.average_gradients(self.balancing)

    def _after_step(self, optimizer: torch.optim.Optimizer, *rest: Any) -> None:
        """Clear all gradients; restore frozen rows, which weight decay has moved."""
        optimizer.zero_grad()
        self.stage_context.trainable.restore()

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        return 0  # Trainer's iterates over all parameters in every step, for an unused number

    # Log records

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        """Log, validate and save as Trainer does, but with validation losses in the log record."""
        control = self.control
        if control.should_evaluate and self.stage_context.validation is not None:
            self._validate(self.stage_context.validation)
            self.control = self.callback_handler.on_evaluate(
                self.args,
                self.state,
                control,
                flatten_for_trackers({"validation_loss": self.last_validation}),
            )
        if (control.should_log or self.last_validation) and self._globalstep_last_logged < (
            self.state.global_step
        ):
            self._write_record(kwargs.get("learning_rate"))
        if control.should_save:
            self._save_checkpoint(self.stage_context.model, None)
            self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    def _validate(self, validation: Validation) -> None:
        """Compute validation losses, save the best weights, and stop when patience is exhausted."""
        context, model = self.stage_context, self.model
        assert model is not None

        def compute_losses(samples: list[Any]) -> ItemLosses:
            batch = self._prepare_inputs(context.collator(samples))
            return context.task_set.compute_losses(model, self.base_model, batch)

        with self.compute_loss_context_manager():
            self.last_validation = validation.run(model, compute_losses, context.tasks)
        if validation.is_new_best(self.last_validation) and self.args.should_save:
            write_atomically(
                self.folder / BEST_FOLDER,
                lambda folder: adapter_weights.save_tensors(
                    context.model, context.base_parameters, folder
                ),
            )
        if validation.is_exhausted:
            self.control.should_training_stop = True
            self.control.should_save = True

    def _write_record(self, learning_rate: float | None) -> None:
        context, step, norm = self.stage_context, self.state.global_step, self.gradient_norm
        batches = step * self.args.gradient_accumulation_steps * self.args.world_size
        record = make_log_record(
            context,
            self.running_sums.compute_totals(),
            step=step,
            num_steps=step - self._globalstep_last_logged,
            samples=batches * context.batch_sampler.batches.shape[1],
            learning_rate=learning_rate,
            gradient_norm=None if norm is None else float(norm),
        )
        if self.last_validation:
            record["validation_loss"] = self.last_validation
        record |= self.expert_metrics.compute_metrics()
        self._globalstep_last_logged = step
        self.running_sums.clear()
        self.expert_metrics.clear()
        self.last_validation = {}
        if self.is_world_process_zero():
            context.metric_log.write(record)
        self.state.epoch = record["epoch"]
        self.log(flatten_for_trackers(record))
        # log.jsonl has it; Trainer would save it again with every checkpoint.
        self.state.log_history.clear()

    # Checkpoints

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        if not self.args.should_save:
            return
        self._check_weights()
        folder = self.folder / f"{CHECKPOINT_PREFIX}{self.state.global_step}"
        state, logged = self._get_state(), self._globalstep_last_logged
        write_atomically(folder, lambda path: state.save(path, last_logged_step=logged))
        remove_old(self.folder, keep=2)

    def _get_state(self) -> CheckpointedState:
        assert self.optimizer is not None and isinstance(self.lr_scheduler, LambdaLR)
        return CheckpointedState(
            context=self.stage_context,
            optimizer=self.optimizer,
            scheduler=self.lr_scheduler,
            balancing=self.balancing,
            running_sums=self.running_sums,
            expert_metrics=self.expert_metrics,
            trainer=self.state,
        )

    def _check_weights(self) -> None:
        """Raise FloatingPointError if a weight is not finite.

        A non-finite gradient shows in the loss only one step later, after the checkpoint.
        """
        parameters = [each for group in self.optimizer.param_groups for each in group["params"]]
        if not all(bool(torch.isfinite(each).all()) for each in parameters):
            self._raise_not_finite("a weight is not finite after this step")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        adapter_weights.load(self.stage_context.model, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self.last_logged_step = self._get_state().restore(Path(checkpoint), self.args.device)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            load_random(Path(checkpoint))
            # Trainer has just set it to the step that training resumes from.
            self._globalstep_last_logged = self.last_logged_step
