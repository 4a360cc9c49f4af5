"""Processes that classify."""
