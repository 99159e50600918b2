#!/usr/bin/env python3
"""bridge.py NETNS [FROM=TO ...] - carries TCP connections between the host's network and a node's

FROM and TO are host:ADDRESS:PORT or node:ADDRESS:PORT; NETNS is the path of the node's namespace. TO
may be a file, host:@FILE or node:@FILE, of ADDRESS:PORT lines, each in its turn: read at every
connection, so that it can follow a service's endpoints. The host's side is loopback alone. A socket
belongs to the namespace it was made in, so one process can stand on both sides.
"""
import asyncio
import ctypes
import os
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
turn = 0


def enter(fd):
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


def make(side):
    enter(spaces[side])
    s = socket.socket()
    enter(spaces["host"])
    s.setblocking(False)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def targets(where):
    if not where.startswith("@"):
        return [where]
    with open(where[1:], encoding="ascii") as f:
        return f.read().split()


async def reach(side, where):
    global turn
    known = targets(where)
    turn += 1
    for i in range(len(known)):
        address, _, port = known[(turn + i) % len(known)].rpartition(":")
        s = make(side)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(s, (address, int(port))), 5)
            return await asyncio.open_connection(sock=s)
        except (OSError, asyncio.TimeoutError):
            s.close()
    raise ConnectionRefusedError(where)


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


def serve(side, where):
    async def carry(reader, writer):
        try:
            far = await reach(side, where)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, far[1]), copy(far[0], writer))
        for w in (writer, far[1]):
            w.close()
    return carry


async def main(rules):
    servers = []
    for rule in rules:
        start, _, end = rule.partition("=")
        side, _, where = start.partition(":")
        address, _, port = where.rpartition(":")
        s = make(side)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, int(port)))
        far, _, where = end.partition(":")
        servers.append(await asyncio.start_server(serve(far, where), sock=s))
    print("ready", flush=True)
    await asyncio.gather(*(s.serve_forever() for s in servers))


spaces = {"host": os.open("/proc/self/ns/net", os.O_RDONLY), "node": os.open(sys.argv[1], os.O_RDONLY)}
asyncio.run(main(sys.argv[2:]))
