"""Durable jobs, on a real Valkey and a real PostgreSQL."""
