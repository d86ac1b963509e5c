"""Who is it: passwords, sessions of browsers, API tokens and JWTs.  What they may do is in `access`."""
