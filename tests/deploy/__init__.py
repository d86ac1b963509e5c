"""What lies in `deploy/` is what runs: the files fit their formats, and our own commands and settings."""
