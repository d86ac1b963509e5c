"""PostgreSQL: what must outlive Redis.  Optional; nothing here is imported before a database is named."""
