"""Pictures of films for people, written after the result."""
