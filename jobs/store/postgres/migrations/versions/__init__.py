"""One file per step, beside it the script that it runs."""
