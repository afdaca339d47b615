"""coterie: multi-task mixtures of experts inside pretrained Hugging Face models."""

from coterie.experts.copies import Copies
from coterie.experts.lora import Lora
from coterie.experts.null import Null
from coterie.experts.queries import Queries
from coterie.graft import graft, observe
from coterie.mixture import Mixture
from coterie.routing.decision import Routing, Tape
from coterie.routing.gates.instance import InstanceGate
from coterie.routing.gates.modality import ModalityGate
from coterie.routing.gates.task import TaskGate
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.rectified import Rectified
from coterie.routing.routers.soft import Soft
from coterie.routing.routers.top_k import TopK
from coterie.routing.routers.top_p import TopP
from coterie.tuner.model import register

register()
