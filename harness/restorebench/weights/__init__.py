"""Checkpoint files: reading them safely, and matching them with a network's state dict."""
