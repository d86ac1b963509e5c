"""For development: workers that restart, and a Valkey of one's own."""
