"""Jobs in processes of their own: spawned children that end with their worker."""

from .death import ChildDied
from .pool import Children
from .sources import NotImportable

__all__ = ["ChildDied", "Children", "NotImportable"]
