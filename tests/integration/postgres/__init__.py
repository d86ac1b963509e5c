"""The store against real servers: its scripts one by one, its links, and what can go wrong between them."""
