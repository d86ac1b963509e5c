"""The dashboard against real servers: who gets in, and what they may do."""
