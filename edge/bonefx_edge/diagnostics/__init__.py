"""What `edge-admin doctor` looks at."""
