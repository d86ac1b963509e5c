"""`make demo`: the whole stack at real work, watched live (`python -m demo`)."""
