"""The real console script, in processes of its own, at a real Valkey."""
