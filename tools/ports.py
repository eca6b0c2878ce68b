"""TCP ports for servers of this machine. Standard library only."""

import socket


def free_port() -> int:
    """Return a port that nobody listens on at the moment; another program may take it before you do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
