"""Random walks through the store, each step compared with a small model."""
