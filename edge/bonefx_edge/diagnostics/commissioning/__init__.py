"""Commissioning: measure the model on films of the site, choose the site's thresholds, report."""
