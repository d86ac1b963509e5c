"""What the documentation says must run."""
