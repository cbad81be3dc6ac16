"""Other engines than torch, each an extra; chosen with ``--backend``."""
