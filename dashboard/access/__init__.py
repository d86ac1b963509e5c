"""Who may do what: permissions, roles, grants and the scope that they come to.  Knows no HTTP and no store."""
