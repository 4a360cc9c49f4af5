"""Health, metrics, and what systemd is sent."""
