"""A worker in this process, at a real Valkey."""
