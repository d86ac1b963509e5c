"""Who is known: users and API tokens, kept in PostgreSQL or (read-only) in the settings."""
