"""One file per aggregate.  A repository works on the connection of its unit, and holds no transaction."""
