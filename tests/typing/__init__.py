"""What mypy and pyright must accept and refuse in code that uses Monarq."""
