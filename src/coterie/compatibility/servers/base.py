"""The interface of servers, and what several of them have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import isclose, sqrt
from typing import Any, ClassVar

from coterie.compatibility import servers
from coterie.compatibility.adapter_folder import AdapterFolder
from coterie.compatibility.finding import Finding
from coterie.models.host import TEXT, Host
from coterie.serialization import find_kinds

LORA = "LORA"
CHANGING_INITS = ("pissa", "olora", "corda", "loftq")
CHANGING_FIELDS = ("layer_replication", "alora_invocation_tokens", "arrow_config", "use_bdlora")


class Server(ABC):
    """A program that applies LoRA adapters to a base model. One file a program.

    Attributes:
        name: as its project writes it.
        source: where its behaviour was read, and when.
    """

    name: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def find_problems(self, adapter: AdapterFolder, host: Host) -> Iterator[Finding]:
        """Yield what is not used of a LoRA adapter; nothing if all is used as it was trained."""

    @abstractmethod
    def get_command(self, adapter: AdapterFolder, host: Host, base: str) -> str:
        """Return the command, with the flags that this adapter needs."""

    def check(self, adapter: AdapterFolder, host: Host) -> list[Finding]:
        """Return what is not used of any PEFT adapter."""
        if adapter.peft_type != LORA:
            advice = "; coterie extract writes a plain LoRA of one task" * (
                adapter.peft_type == "COTERIE"
            )
            reason = f"{self.name} loads adapters of PEFT's method LORA, not {adapter.peft_type}"
            return [Finding(effect="refused", reason=reason + advice)]
        findings = [*self.find_problems(adapter, host), *find_changed_models(adapter)]
        if fused := find_fused(adapter, host):
            reason = "LoRA of experts in one tensor: some models of it alone have that; try it"
            findings.append(Finding(effect="unknown", reason=reason, names=fused))
        return findings


def find_changed_models(adapter: AdapterFolder) -> Iterator[Finding]:
    """Yield fields by which PEFT changes the base model itself when it loads the adapter."""
    init = adapter.get("init_lora_weights")
    if isinstance(init, str) and init.startswith(CHANGING_INITS):
        reason = (
            f"with init_lora_weights={init!r} PEFT changes the base model's weights when it loads "
            "the adapter; save it with path_initial_model_for_weight_conversion="
        )
        yield Finding(effect="unknown", reason=reason)
    for field in CHANGING_FIELDS:
        if adapter.get(field):
            yield Finding(
                effect="unknown", reason=f"{field} is set, which PEFT alone is known to do"
            )


def list_servers() -> list[Server]:
    """Return the servers of this folder, by name."""
    kinds: Any = find_kinds(servers, Server)  # final ones, though their type is abstract
    return sorted((kind() for kind in kinds), key=lambda each: each.name)


def find_unmatched(adapter: AdapterFolder, host: Host) -> list[str]:
    """Return the adapter's modules that the host does not have."""
    return [name for name in adapter.ranks if get_module(name) not in host.modules]


def find_fused(adapter: AdapterFolder, host: Host) -> list[str]:
    """Return the adapter's modules that the host has, but not as a linear layer or embedding."""
    known = (name for name in adapter.ranks if get_module(name) in host.modules)
    return [name for name in known if name not in host.linears]


def get_module(name: str) -> str:
    """Return the module's name without the wrapper that PEFT puts around a second parameter."""
    return name.removesuffix(".base_layer")


def find_towers(adapter: AdapterFolder, host: Host) -> list[str]:
    """Return the adapter's modules outside the language model."""
    return [name for name in adapter.ranks if name in host.linears and host.get_tower(name) != TEXT]


def find_other_scales(
    adapter: AdapterFolder, host: Host, *, rank: str, knows_rslora: bool
) -> list[str]:
    """Return modules that one alpha for all, divided by a rank, scales otherwise than PEFT.

    Args:
        rank: "r" where the server divides by r of the configuration, "own" where by the rank of
            the module's tensors.
        knows_rslora: it divides by the square root where the configuration has use_rslora.
    """
    alpha, is_root = adapter.get("lora_alpha", 8), knows_rslora and adapter.get("use_rslora")
    found = []
    for module in (name for name in adapter.ranks if name in host.linears):
        own = adapter.ranks[module]
        divisor = own if rank == "own" else adapter.get("r", 8)
        scale = alpha / (sqrt(divisor) if is_root else divisor)
        if not isclose(scale, adapter.compute_scale(module)):
            found.append(module)
    return found
