"""HTTP: routes parse what is asked, let a service decide and do it, and render what it says."""
