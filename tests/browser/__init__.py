"""The dashboard in a real browser: Chromium, a real server, real stores, real workers."""
