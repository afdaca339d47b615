"""coterie: multi-task mixtures of experts inside pretrained Hugging Face models.

Importing it registers the PEFT method, and costs little more than importing peft: training and
what follows it is imported when it is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from coterie import quiet_imports, recipes  # in this order
from coterie.balancing.aligned_mtl import AlignedMTL
from coterie.balancing.cagrad import CAGrad
from coterie.balancing.fixed import Fixed
from coterie.balancing.imtl_g import IMTLG
from coterie.balancing.mgda import MGDA
from coterie.balancing.pcgrad import PCGrad
from coterie.balancing.uncertainty import Uncertainty
from coterie.balancing.upgrad import UPGrad
from coterie.experts.attention import AttentionHeads
from coterie.experts.bridge import Bridge
from coterie.experts.copies import Copies
from coterie.experts.dual_lora import DualLora
from coterie.experts.hydra_lora import HydraLora
from coterie.experts.lora import Lora
from coterie.experts.null import Null
from coterie.graft import graft, observe
from coterie.losses.decouple import Decouple
from coterie.losses.importance import Importance
from coterie.losses.load_balance import LoadBalance
from coterie.losses.mutual_information import MutualInformation
from coterie.losses.predictive import Predictive
from coterie.losses.sparsity import Sparsity
from coterie.losses.top_p_balance import TopPBalance
from coterie.losses.z import ZLoss
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.routing.decision import Routing, Tape
from coterie.routing.gates.by_modality import ByModality
from coterie.routing.gates.instance import InstanceGate
from coterie.routing.gates.modality import ModalityGate
from coterie.routing.gates.task import TaskGate
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.rectified import Rectified
from coterie.routing.routers.softmax import Softmax
from coterie.routing.routers.top_k import TopK
from coterie.routing.routers.top_p import TopP
from coterie.stage import Stage
from coterie.tuner.model import register

if TYPE_CHECKING:
    from coterie.compose import compose
    from coterie.diagnose import diagnose
    from coterie.evaluate import compare, evaluate, measure_forgetting
    from coterie.extract import extract
    from coterie.report import report
    from coterie.serve import serve
    from coterie.study import study
    from coterie.task_file import read_tasks
    from coterie.train import Run, RunConfig, add_tasks, check, train, train_sequence

__all__ = [
    "IMTLG", "MGDA", "AlignedMTL", "AttentionHeads", "Bridge", "ByModality", "CAGrad", "Copies",
    "Decouple", "DualLora", "Fixed", "HydraLora", "Importance", "InstanceGate", "LoadBalance",
    "Lora", "Mixture", "ModalityGate", "MutualInformation", "Null", "PCGrad", "Predictive",
    "Recipe", "Rectified", "Routing", "Run", "RunConfig", "Softmax", "Sparsity", "Stage", "Tape",
    "TaskGate", "TokenGate", "TopK", "TopP", "TopPBalance", "UPGrad", "Uncertainty", "ZLoss",
    "add_tasks", "check", "compare", "compose", "diagnose", "evaluate", "extract", "graft",
    "measure_forgetting", "observe", "read_tasks", "recipes", "report", "serve", "study", "train",
    "train_sequence"
]  # fmt: skip

_LAZY = {
    "Run": "coterie.train", "RunConfig": "coterie.train", "add_tasks": "coterie.train",
    "check": "coterie.train", "compare": "coterie.evaluate", "compose": "coterie.compose",
    "diagnose": "coterie.diagnose", "evaluate": "coterie.evaluate", "extract": "coterie.extract",
    "measure_forgetting": "coterie.evaluate", "read_tasks": "coterie.task_file",
    "report": "coterie.report", "serve": "coterie.serve", "study": "coterie.study",
    "train": "coterie.train", "train_sequence": "coterie.train",
}  # fmt: skip
"""Public name -> the module that it is imported from when it is first used."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


class _Package(ModuleType):
    """Keeps a public function where a subpackage has its name, such as `coterie.train`.

    Python sets a subpackage as an attribute of its parent once it is imported; without this,
    `coterie.train` would become the module as soon as anything imports `coterie.train.run`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _LAZY and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
register()
quiet_imports.stop()
