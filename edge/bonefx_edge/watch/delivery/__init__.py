"""Delivery of messages about results to a command or a webhook."""

from typing import Final

SERVICE_PID: Final = "BONEFX_SERVICE_PID"
"""In the environment of a command: the number of the process of the service that runs it."""
