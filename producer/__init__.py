"""Asking for work."""

from .handle import JobHandle
from .order import Order
from .outbox import OutboxRow
from .producer import Producer
from .sync_producer import SyncJobHandle, SyncProducer

__all__ = ["JobHandle", "Order", "OutboxRow", "Producer", "SyncJobHandle", "SyncProducer"]
