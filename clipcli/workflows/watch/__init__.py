"""Watch: pictures that come into a folder, each handled once, over restarts too."""
