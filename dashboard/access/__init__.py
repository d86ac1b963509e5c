"""Who may do what: permissions, roles, grants, scopes.  Knows no HTTP and no store."""
