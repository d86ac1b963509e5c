"""Real worker processes, killed, stopped and starved."""
