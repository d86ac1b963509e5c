"""Asking for work."""

from .handle import JobHandle
from .order import Order
from .producer import Producer
from .sync_producer import SyncJobHandle, SyncProducer

__all__ = ["JobHandle", "Order", "Producer", "SyncJobHandle", "SyncProducer"]
