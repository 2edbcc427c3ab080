"""A client and a worker of plain MDP/0.2 (ZeroMQ RFC 18), knowing nothing of this bus but CURVE keys.

usage: stock_mdp.py client|worker ENDPOINT BROKER_KEY OWN_KEY SERVICE [FRAME_HEX...]
client: sends the frames as the request's body frames, prints the command and the frames of each
answer until FINAL, in hex. worker: answers what comes with its own body frames, one after the
other, until it is told to stop; prints how many body frames each request had.
"""
import re
import sys
import time

import zmq


def key(path, part):
    with open(path, encoding="utf-8") as file:
        return re.search(part + r'-key = "(.*)"', file.read())[1].encode()


def dealer(endpoint, broker, own):
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger, socket.rcvtimeo = 1000, 10000
    socket.curve_serverkey = key(broker, "public")
    socket.curve_publickey, socket.curve_secretkey = key(own, "public"), key(own, "secret")
    socket.connect(endpoint)
    return socket


def client(socket, service, *frames):
    socket.send_multipart([b"MDPC02", b"\x01", service.encode(), *map(bytes.fromhex, frames)])
    while True:
        protocol, command, name, *body = socket.recv_multipart()
        assert (protocol, name) == (b"MDPC02", service.encode()), (protocol, name)
        print(command.hex(), *(frame.hex() or "-" for frame in body))
        if command == b"\x03":
            return


def worker(socket, service):
    """Strictly RFC 18: READY, then one request at a time, a heartbeat each second."""
    socket.send_multipart([b"MDPW02", b"\x01", service.encode()])
    beat = time.monotonic()
    while True:
        if socket.poll(200):
            protocol, command, *rest = socket.recv_multipart()
            assert protocol == b"MDPW02", protocol
            if command == b"\x02":
                address, empty, *body = rest
                assert empty == b"", empty
                print(len(body), flush=True)
                time.sleep(0.05)
                assert not socket.poll(0) or socket.recv_multipart()[1] == b"\x05", "a second request in hand"
                # The reply's first body frame is a header of this bus, which this worker copies from a file.
                socket.send_multipart([b"MDPW02", b"\x04", address, b"", *REPLY, *body[2:]])
            elif command == b"\x06":
                return
        if time.monotonic() - beat > 1:
            beat = time.monotonic()
            socket.send_multipart([b"MDPW02", b"\x05"])


# LGH1, status = OK, outcome = DONE, served_by = "stock".
REPLY = [bytes.fromhex("4c474831080110012a0573746f636b")]

if __name__ == "__main__":
    what, endpoint_, broker_, own_, *more = sys.argv[1:]
    {"client": client, "worker": worker}[what](dealer(endpoint_, broker_, own_), *more)
