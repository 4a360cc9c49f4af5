"""What makes the device cautious: detectors of unfamiliar films, ages, and what both change."""
