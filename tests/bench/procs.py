"""What processes cost: CPU seconds and memory of a tree, from /proc."""
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../it"))
from ports import free_port  # noqa: E402, F401  benchmarks ask for it here

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        text = f.read()
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), sum(int(x) for x in fields[11:15])  # ppid, ticks with reaped children's


def tree(root):
    """Living pids of root and its descendants."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = _stat(name)[0]
            except OSError:
                pass
    found, grown = {root}, True
    while grown:
        more = {p for p, pp in parents.items() if pp in found} - found
        grown = bool(more)
        found |= more
    return found


def cpu(root):
    """CPU seconds of a tree, children that were reaped included."""
    total = 0
    for pid in tree(root):
        try:
            total += _stat(pid)[1]
        except OSError:
            pass
    return total / TICK


def pss_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def listener(port):
    """Pid of who listens on 127.0.0.1:port or all addresses."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as f:
            for line in list(f)[1:]:
                w = line.split()
                if w[3] == "0A" and int(w[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add(f"socket:[{w[9]}]")
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            for fd in os.listdir(f"/proc/{name}/fd"):
                if os.readlink(f"/proc/{name}/fd/{fd}") in inodes:
                    return int(name)
        except OSError:
            pass
    return None
