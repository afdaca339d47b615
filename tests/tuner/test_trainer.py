"""transformers' own Trainer trains, checkpoints and resumes a grafted model."""

import pytest
import torch
from transformers import Trainer, TrainingArguments

import coterie
from coterie import InstanceGate, Lora, Mixture, TaskGate, TopK
from tests.tiny import TINY
from tests.tuner.checks import TASKS, awake

MIXTURES = [
    Mixture(at="text.attn", experts=Lora(ranks=(2, 4)), gate=TaskGate(), router=TopK(k=1)),
    Mixture(at="text.mlp", gate=InstanceGate(tie="block"), router=TopK(k=1, noise=0.1)),
]


def rows():
    batch = TINY["llama"]().batch
    one = [{key: value[i] for key, value in batch.items()} for i in (0, 1)]
    return [row | {"task_ids": torch.tensor(i)} for i, row in enumerate(one)] * 4


def trained(folder, *, steps=4, resume=None, checkpointing=False):
    torch.manual_seed(0)
    model = coterie.graft(TINY["llama"]().model, MIXTURES, tasks=TASKS)
    awake(model)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        save_steps=2,
        logging_steps=1,
        remove_unused_columns=False,
        gradient_checkpointing=checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows())
    trainer.train(resume_from_checkpoint=resume)
    weights = {name: w for name, w in model.named_parameters() if w.requires_grad}
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return weights, losses


@pytest.mark.filterwarnings("ignore")  # Trainer's own, about this machine and old names
def test_train_resume_and_gradient_checkpointing(tmp_path):
    whole, losses = trained(tmp_path / "whole")
    assert losses[-1] < losses[0]
    again, _ = trained(tmp_path / "again", resume=str(tmp_path / "whole" / "checkpoint-2"))
    for name in whole:
        assert torch.equal(whole[name], again[name]), name
    checkpointed, _ = trained(tmp_path / "checkpointed", checkpointing=True)
    for name in whole:
        torch.testing.assert_close(whole[name], checkpointed[name], atol=1e-5, rtol=1e-4)
