"""Dead letters wherever they lie: one contract, and what only one of the places can do wrong."""
