"""What the page keeps: users, sessions, verdicts and who saw what."""
