"""Benchmark of MLP experts in several processes against the same experts in one.

The batch is the same for all forms. "one process" runs all of it; in "replicas" each process has
all experts and a share of the batch, and the experts' gradients are averaged; in "coterie" each has
a share of experts and batch, and tokens are exchanged. On a CPU the time is the mean CPU time of a
process, because several processes on few cores wait for one another; an ideal division by N costs
1 / N. Among a row's facts are the bytes that leave a process in a step.
"""

import copy
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from benchmarks.benchmark import MIB, ROUNDS, Benchmark, Row, Scale, Target, shaken
from benchmarks.ffn import CHOSEN, SMOLLM2, TINY, Shape
from benchmarks.grafted import ADAPTER, grafted
from benchmarks.timing import Times
from coterie.experts.copies import Copies
from coterie.mixture import Mixture
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.top_k import TopK
from coterie.train.expert_parallel import DATA, EXPERT, shard_layer

ONE, REPLICAS, COTERIE = "one process", "replicas", "coterie"


@dataclass(frozen=True, kw_only=True)
class Case:
    shape: Shape
    tokens: int
    experts: int
    processes: int

    @property
    def name(self) -> str:
        return (
            f"fp32 {self.shape.name} T={self.tokens} E={self.experts} top-{CHOSEN}, "
            f"{self.processes} processes"
        )

    def predict_mib(self) -> float:
        """Predict the MiB of tokens that leave a process: see docs/performance.md."""
        # Forward: x and outputs; backward: x again, the outputs' gradient and that of x.
        pairs = self.tokens / self.processes * CHOSEN
        return 5 * pairs * self.shape.width * 4 * (1 - 1 / self.processes) / MIB


CASES: dict[Scale, tuple[Case, ...]] = {
    "tiny": (Case(shape=TINY, tokens=64, experts=4, processes=2),),
    "quick": tuple(Case(shape=SMOLLM2, tokens=1024, experts=8, processes=n) for n in (2, 4)),
    "full": tuple(Case(shape=SMOLLM2, tokens=4096, experts=8, processes=n) for n in (2, 4)),
    "gpu": (),
}


class ExpertParallel(Benchmark):
    """`Copies` with a token gate, two experts per token, all weights trained."""

    name = "expert_parallel"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        for case in CASES[scale] if device.type == "cpu" else ():
            with tempfile.TemporaryDirectory() as folder:
                work = partial(run_process, case, ROUNDS[scale], Path(folder))
                ranks = [
                    multiprocessing.get_context("fork").Process(target=work, args=(rank,))
                    for rank in range(case.processes)
                ]
                for each in ranks:
                    each.start()
                for each in ranks:
                    each.join()
                found = json.loads((Path(folder) / "found.json").read_text())
            times = Times(found["seconds"])
            for form, facts in found["facts"].items():
                yield Row(
                    case=case.name, dtype="fp32", form=form, step_ms=times.median_ms(form),
                    step={ONE: times.ratio(form, ONE)}, saved_mib=0.0, facts=facts,
                )  # fmt: skip

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        worst = [row.facts["sent_mib"] / row.facts["predicted_mib"]
                 for row in rows if row.form == COTERIE]  # fmt: skip
        what = "tokens sent, of the formula with balanced experts (worst)"
        return [Target(what=what, limit=1.2, measured=max(worst, default=None))]


def run_process(case: Case, rounds: int, folder: Path, rank: int) -> None:
    """Time all forms as one of the case's processes; rank 0 writes them to a file."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=case.processes
    )
    sent: list[float] = []
    count_sent_bytes(sent)
    steps = build_steps(case, rank)
    seconds: dict[str, list[float]] = {form: [] for form in steps}
    facts: dict[str, dict[str, float]] = {}
    for number in range(rounds + 1):  # the first warms up
        for form, step in steps.items():
            distributed.barrier()
            sent.clear()
            start = time.process_time()
            step()
            spent = torch.tensor(time.process_time() - start)
            facts[form] = {"sent_mib": sum(sent) / MIB, "predicted_mib": case.predict_mib()}
            distributed.all_reduce(spent)
            if number:
                seconds[form].append(float(spent) / (1 if form == ONE else case.processes))
    if rank == 0:
        found = {"seconds": seconds, "facts": facts}
        (folder / "found.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def count_sent_bytes(sent: list[float]) -> None:
    """Add the bytes that leave this process in each exchange and each all-reduce to a list."""
    exchange, reduce = distributed.all_to_all_single, distributed.all_reduce

    def exchange_counted(out: Tensor, given: Tensor, *args: Any, **kwargs: Any) -> object:
        rank, size = distributed.get_rank(), distributed.get_world_size()
        lengths = args[1] if len(args) > 1 else [len(given) // size] * size
        rows = sum(length for other, length in enumerate(lengths) if other != rank)
        sent.append(rows * given[:1].nbytes if len(given) else 0)
        return exchange(out, given, *args, **kwargs)

    def reduce_counted(values: Tensor, *args: Any, **kwargs: Any) -> object:
        # A ring sends each part twice to the next process, but once from the last.
        sent.append(2 * values.nbytes * (1 - 1 / distributed.get_world_size()))
        return reduce(values, *args, **kwargs)

    distributed.all_to_all_single, distributed.all_reduce = exchange_counted, reduce_counted


def build_steps(case: Case, rank: int) -> dict[str, Callable[[], object]]:
    """Return the step of each form in this process, which differentiates all weights."""
    mixture = Mixture(
        at="mlp", experts=Copies(count=case.experts), gate=TokenGate(), router=TopK(k=CHOSEN)
    )
    torch.manual_seed(0)
    whole = shaken(grafted(case.shape.mlp(1), case.shape.width, mixture))
    x = torch.randn(1, case.tokens, case.shape.width)
    own = x.chunk(case.processes, dim=1)[rank]
    divided = copy.deepcopy(whole)
    mesh = init_device_mesh("cpu", (1, case.processes), mesh_dim_names=(DATA, EXPERT))
    shard_layer(divided.coterie_experts[ADAPTER], mesh, x.device)

    def differentiate(layer: nn.Module, tokens: Tensor) -> list[Tensor]:
        tokens = tokens.detach().requires_grad_()
        trained = {n: each for n, each in layer.named_parameters() if each.requires_grad}
        found = torch.autograd.grad(layer(tokens).square().sum(), (tokens, *trained.values()))
        return [each for each in found[1:] if not isinstance(each, DTensor)]

    def average(layer: nn.Module) -> None:
        for gradient in differentiate(layer, own):
            distributed.all_reduce(gradient)

    return {
        ONE: lambda: differentiate(whole, x) if rank == 0 else None,
        REPLICAS: lambda: average(whole),
        COTERIE: lambda: average(divided),
    }
