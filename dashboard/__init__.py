"""Seeing and steering: the pages and the HTTP API over jobs, queues and workers."""
