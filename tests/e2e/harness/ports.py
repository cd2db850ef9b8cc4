"""Free TCP ports on 127.0.0.1 for servers that cannot be told to choose one and say which.

A port comes from below the kernel's ephemeral range, so no outgoing connection takes it while its server is down for a
moment, and is held by a file lock, so no other run of these tests chooses it either. The lock ends with the process.
"""

import fcntl
import os
import random
import socket
import tempfile

LOWEST_PORT = 10000
_locks = []


def _ephemeral_start():
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        return int(file.read().split()[0])


def _lock(port):
    directory = os.path.join(tempfile.gettempdir(), f"e2e-ports-{os.getuid()}")
    os.makedirs(directory, exist_ok=True)
    file = open(os.path.join(directory, str(port)), "w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _locks.append(file)
    return True


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def reserve_port():
    """A port that stays this process's own until it ends."""
    candidates = range(LOWEST_PORT, max(_ephemeral_start(), LOWEST_PORT + 1000))
    for port in random.sample(candidates, 200):
        if _is_free(port) and _lock(port):
            return port
    raise OSError("no free port on 127.0.0.1")
