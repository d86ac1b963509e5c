"""What comes along for Prometheus and Grafana."""
