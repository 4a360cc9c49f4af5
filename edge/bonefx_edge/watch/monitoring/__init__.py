"""CheckStatus, metrics, and what systemd is sent."""
