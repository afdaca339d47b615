"""coterie: multi-task mixtures of experts inside pretrained Hugging Face models."""

from coterie import recipes
from coterie.balancing.fixed import Fixed
from coterie.balancing.uncertainty import Uncertainty
from coterie.diagnose import diagnose
from coterie.evaluate import compare, evaluate
from coterie.experts.attention import AttentionHeads
from coterie.experts.copies import Copies
from coterie.experts.lora import Lora
from coterie.experts.null import Null
from coterie.extract import extract
from coterie.graft import graft, observe
from coterie.losses.importance import Importance
from coterie.losses.load_balance import LoadBalance
from coterie.losses.mutual_information import MutualInformation
from coterie.losses.sparsity import Sparsity
from coterie.losses.z import ZLoss
from coterie.mixture import Mixture
from coterie.recipe import Recipe, Stage
from coterie.report import report
from coterie.routing.decision import Routing, Tape
from coterie.routing.gates.instance import InstanceGate
from coterie.routing.gates.modality import ModalityGate
from coterie.routing.gates.task import TaskGate
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.rectified import Rectified
from coterie.routing.routers.softmax import Softmax
from coterie.routing.routers.top_k import TopK
from coterie.routing.routers.top_p import TopP
from coterie.task_file import read_tasks
from coterie.train import Run, RunConfig, add_tasks, train
from coterie.tuner.model import register

__all__ = [
    "AttentionHeads",
    "Copies",
    "Fixed",
    "Importance",
    "InstanceGate",
    "LoadBalance",
    "Lora",
    "Mixture",
    "ModalityGate",
    "MutualInformation",
    "Null",
    "Recipe",
    "Rectified",
    "Routing",
    "Run",
    "RunConfig",
    "Softmax",
    "Sparsity",
    "Stage",
    "Tape",
    "TaskGate",
    "TokenGate",
    "TopK",
    "TopP",
    "Uncertainty",
    "ZLoss",
    "add_tasks",
    "compare",
    "diagnose",
    "evaluate",
    "extract",
    "graft",
    "observe",
    "read_tasks",
    "recipes",
    "report",
    "train",
]

register()
