"""All rules of the store together."""

from .archive_rules import ArchiveRules
from .beat_rules import BeatRules
from .browse_rules import BrowseRules
from .cancel_rules import CancelRules
from .claim_rules import ClaimRules
from .corrupt_rules import CorruptRules
from .discard_rules import DiscardRules
from .durable_rules import DurableRules
from .enqueue_rules import EnqueueRules
from .examine_rules import ExamineRules
from .inspect_rules import InspectRules
from .lineup_rules import GlanceRules, LineupRules
from .measure_rules import MeasureRules
from .move_rules import MoveRules
from .operation_rules import OperationRules
from .orphan_rules import OrphanRules
from .past_rules import PastRules
from .pause_rules import PauseRules
from .renew_rules import RenewRules
from .replay_rules import ReplayRules
from .restore_rules import RestoreRules
from .settle_rules import SettleRules
from .unique_ends import UniqueEndRules
from .unique_rules import UniqueRules


class StoreContract(
    EnqueueRules,
    ClaimRules,
    OrphanRules,
    SettleRules,
    RenewRules,
    CancelRules,
    MoveRules,
    InspectRules,
    BrowseRules,
    ReplayRules,
    DiscardRules,
    ArchiveRules,
    PauseRules,
    MeasureRules,
    ExamineRules,
    UniqueRules,
    UniqueEndRules,
    CorruptRules,
    RestoreRules,
    BeatRules,
    DurableRules,
    PastRules,
    OperationRules,
    LineupRules,
    GlanceRules,
):
    """What every store must do.  A subclass gives the fixture `store`, nothing else."""
