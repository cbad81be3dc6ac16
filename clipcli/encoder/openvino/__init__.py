"""The image tower on OpenVINO, an extra: how models are written and run."""
