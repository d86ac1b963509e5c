"""The command line's own logic, without processes and servers."""
