"""Delivery of messages about results to a command or a webhook."""
