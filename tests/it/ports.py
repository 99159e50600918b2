"""Ports for servers of tests, that nobody else takes between the choice and the use."""
import functools
import random
import socket

KEPT = []  # names that say which ports are this process's


@functools.cache
def _ports():
    """Those that the kernel gives to nobody: the source port of any connection on the machine may
    be a port of its range between our choice and the daemon's bind. 10080 no browser goes to."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            low, high = map(int, f.read().split())
    except OSError:
        low, high = 32768, 60999
    return [p for p in (*range(10000, 30000), *range(61000, 65536))
            if not low <= p <= high and p != 10080]


def free_port():
    """A port of loopback where nobody listens, and that no other test is given until this process
    ends: a name in the abstract namespace keeps it, which lives in the same network namespace.
    tests/parts/lib.sh does alike."""
    ports = _ports()
    for _ in range(1000 if ports else 0):
        port = random.choice(ports)
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0guac-test-port-{port}")
            with socket.socket() as s:
                s.bind(("0.0.0.0", port))
        except OSError:
            name.close()
            continue
        KEPT.append(name)
        return port
    with socket.socket() as s:  # the kernel gives all of them
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
