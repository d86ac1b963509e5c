"""Monarq: typed async jobs on Redis, in arq's shape."""

__version__ = "0.1.0"
