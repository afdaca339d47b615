"""The stages of a run, one after the other: each builds its model, trains it and hands it on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel
from torch import nn
from transformers import set_seed

from coterie.graft import graft
from coterie.quiet import quiet
from coterie.train import assembly, checkpoint, left_out, together, weights
from coterie.train.batches import Samples, stage_seed
from coterie.train.callbacks import Watch, bar, integrations
from coterie.train.interrupt import Interrupt
from coterie.train.journal import Journal
from coterie.train.kept import keep_features, keep_trunk
from coterie.train.lesson import AnyRows, Lesson
from coterie.train.run import ADAPTER, Done, Run
from coterie.train.stages import Trained, mixtures_of, select
from coterie.train.trainer import MixtureTrainer, Setting
from coterie.train.validation import BEST

CHECKPOINTS = "checkpoints"


class Staging:
    """Trains the stages of a run that are not done yet."""

    def __init__(
        self, run: Run, lesson: Lesson, rows: Sequence[AnyRows], *, progress: bool | None
    ) -> None:
        self.run, self.plan, self.lesson = run, run.plan, lesson
        self.samples = Samples(rows, lesson.drawn)
        self.validation = lesson.validation_rows()
        self.stages = self.plan.stages(self.samples.sizes)
        self.progress = progress
        self.done = run.done()
        self.inherited: tuple[str, ...] = ()

    def train(self) -> None:
        """Trains what is left, and writes the adapter."""
        base = self.lesson.load()
        self.collate = self.lesson.collator(base.processor)
        steps = sum(each.steps or 0 for each in self.stages)
        model: PeftModel | None = None
        with Interrupt() as interrupt, bar(steps, self.before(), progress=self.progress) as shown:
            while len(self.done) < len(self.stages):
                model = self._grafted(base.model if model is None else model.unload())  # pyright: ignore[reportCallIssue]
                keep_features(model, base.processor)
                self._stage(model, shown, interrupt)
        if model is None:  # killed between the last stage and this
            model = self._grafted(base.model, number=len(self.stages) - 1)
        self._finish(model)

    def before(self) -> int:
        """Steps of the stages that are done."""
        return sum(each.steps for each in self.done)

    def _grafted(self, host: Any, number: int | None = None) -> PeftModel:
        """The stage's model with the weights it begins with: the same in a resumed run."""
        number = len(self.done) if number is None else number
        stage = self.stages[number]
        for parameter in host.parameters():
            parameter.requires_grad_(False)
        set_seed(stage_seed(self.plan.seed, number))
        model = graft(host, mixtures_of(self.plan.recipe.mixtures, stage), tasks=self.run.tasks)
        if self.done:
            copies = stage.init == "copy" and number == len(self.done)
            fill = weights.load_copies if copies else weights.load
            fill(model, self.run.folder / self.done[-1].weights)
        else:
            self.inherited = self.lesson.begin(model)
        return model

    def _stage(self, model: PeftModel, shown: Any, interrupt: Interrupt) -> None:
        number = len(self.done)
        stage = self.stages[number]
        folder = self.run.folder / CHECKPOINTS / f"{number + 1}-{stage.name}"
        trained = self.lesson.narrowed(model, select(model, stage))
        setting = self._setting(model, trained, folder)
        last = checkpoint.latest(folder)
        args = assembly.arguments(
            self.plan, stage, folder, seed=stage_seed(self.plan.seed, number),
            mixed=bool(setting.host), validates=setting.validation is not None,
        )  # fmt: skip
        watch = Watch(shown, interrupt, stage.name)
        begun = checkpoint.step_of(last) if last else 0
        events = integrations(
            self.run.folder / "events" / stage.name, self.plan.report_to, step=begun
        )
        shown.update(setting.before + begun - shown.n)
        with quiet(), keep_trunk(model):
            trainer = MixtureTrainer(setting, args, [watch, *events])
            setting.journal.start()
            if not self._ended(last):
                trainer.train(resume_from_checkpoint=str(last) if last else None)
        self._note_left_out()
        if interrupt.wanted and not self._ended(checkpoint.latest(folder)):
            raise KeyboardInterrupt(
                f"stopped after step {setting.before + trainer.state.global_step}, which is saved; "
                "go on with resume=True (--resume)"
            )
        self._close(stage.name, folder, setting.host)

    def _setting(self, model: PeftModel, trained: Trained, folder: Path) -> Setting:
        number, before = len(self.done), self.before()
        stage, recipe = self.stages[number], self.plan.recipe
        last = checkpoint.latest(folder)
        earlier = self.done[-1].host if self.done else self.inherited
        host = tuple(dict.fromkeys([*earlier, *trained.host]))
        assembly.in_float32(model, trained.host)
        facts = {"step": before, "time_s": self._time_s()}
        if last:
            facts = checkpoint.load_state(last)[1]
        return Setting(
            model=model,
            trained=trained,
            host=host,
            balancing=self._balancing(),
            lesson=self.lesson,
            losses=recipe.losses if stage.routed else (),
            tasks=self.run.tasks,
            samples=self.samples,
            order=assembly.order(self.plan, stage, self.samples.sizes, number),
            collate=self.collate,
            journal=Journal(self.run.folder, step=facts["step"], time_s=facts["time_s"]),
            validation=assembly.validation(self.plan, stage, self.validation),
            stage=stage.name,
            before=before,
            use_every=self.plan.use_every,
            routed=stage.routed and bool(recipe.mixtures),
        )

    def _balancing(self) -> nn.Module:
        module = self.plan.recipe.balancing.build(len(self.plan.names))
        if self.done:
            checkpoint.load_module("balancing", module, self._handed_on()[0])
        return module

    def _time_s(self) -> float:
        return self._handed_on()[1]["time_s"] if self.done else 0.0

    def _handed_on(self) -> Any:
        """What the last checkpoint of the stage before says."""
        last = checkpoint.latest((self.run.folder / self.done[-1].weights).parent)
        assert last is not None
        return checkpoint.load_state(last)

    def _ended(self, last: Path | None) -> bool:
        """Whether a checkpoint is the stage's last: all steps are done, or patience is."""
        if last is None:
            return False
        facts = checkpoint.load_state(last)[1]
        patience = self.plan.patience
        tired = patience and facts.get("validation", {}).get("looks_since", 0) >= patience
        return bool(tired) or checkpoint.step_of(last) == self.stages[len(self.done)].steps

    def _close(self, stage: str, folder: Path, host: tuple[str, ...]) -> None:
        """Notes the stage as done, with its best weights, or the last."""
        together.wait()
        last = checkpoint.latest(folder)
        assert last is not None
        best = folder / BEST
        source = (best if best.is_dir() else last).relative_to(self.run.folder)
        done = Done(
            stage=stage, steps=checkpoint.step_of(last), weights=source.as_posix(), host=host
        )
        if together.is_first():
            self.run.add(done)
        together.wait()
        self.done.append(done)

    def _note_left_out(self) -> None:
        """Adds samples that were too long to bad_rows.jsonl, once each."""
        path = self.run.folder / left_out.FILE
        left_out.note(path, [*left_out.read(path), *self.collate.left_out])

    def _finish(self, model: PeftModel) -> None:
        weights.load(model, self.run.folder / self.done[-1].weights)
        host = self.done[-1].host
        if together.is_first():
            checkpoint.written(
                self.run.folder / ADAPTER, lambda folder: weights.save(model, host, folder)
            )
        together.wait()
