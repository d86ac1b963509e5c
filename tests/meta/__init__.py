"""The rules of the house that a type checker does not know."""
