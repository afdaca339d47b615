"""The README's example: one model learns two tasks that contradict each other."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import coterie
from coterie import Lora, Mixture, Softmax, TaskGate

torch.manual_seed(0)
base = LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=64, intermediate_size=128,
                                    num_hidden_layers=2, num_attention_heads=4))  # fmt: skip
mixture = Mixture(at="text.mlp", experts=Lora(ranks=(4, 8, 16)), gate=TaskGate(per_token=False),
                  router=Softmax())  # fmt: skip
model = coterie.graft(base, mixture, tasks=("count up", "count down"))

task_ids = torch.tensor([0, 1]).repeat(8)
step = torch.where(task_ids == 0, 1, -1)[:, None]
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
for _ in range(150):
    ids = (torch.randint(32, (16, 1)) + step * torch.arange(8)) % 32
    loss = model(input_ids=ids, labels=ids, task_ids=task_ids).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()

prompt = torch.tensor([[10], [10]])
answers = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt),
                         task_ids=torch.tensor([0, 1]), max_new_tokens=5)  # fmt: skip
print(answers.tolist())  # the same prompt, two tasks: 11 12 13 ... and 9 8 7 ...
