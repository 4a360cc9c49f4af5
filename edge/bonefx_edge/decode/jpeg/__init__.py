"""JPEG files: headers checked, pixels by libjpeg-turbo."""
