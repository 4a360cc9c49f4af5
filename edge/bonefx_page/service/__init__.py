"""The page as a service of systemd."""
