"""The shipped kinds: their pure parts."""
