"""The tests of Monarq, by kind."""
