"""What the page reads of the service: films, pictures, health."""
