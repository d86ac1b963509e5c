"""Commands of the dashboard.  What they need of `monarq[dashboard]` is imported when they run."""
