"""What a worker does besides running jobs: one duty per file."""
