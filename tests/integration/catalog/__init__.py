"""The shipped kinds against real servers and real files."""
