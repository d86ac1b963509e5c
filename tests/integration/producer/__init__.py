"""Producers, at a real Valkey."""
