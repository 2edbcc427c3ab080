"""What the examples share: keys, a socket, header frames. docs/wire.md is the reference."""
import os
import re
import sys
import uuid

import zmq
from lgsp.bus.v1.header_pb2 import ReplyHeader, RequestHeader

MAGIC = b"LGH1"
context = zmq.Context()


def key(path, part):
    """A key (Z85) of a certificate file made by `lgspctl keys` or `lgspctl member`."""
    with open(path, encoding="utf-8") as file:
        return re.search(part + r'-key = "(.*)"', file.read())[1].encode()


def open_socket(endpoint):
    """One DEALER for one endpoint. It queues nothing while there is no connection."""
    socket = context.socket(zmq.DEALER)
    socket.linger = 1000
    socket.immediate = 1
    socket.heartbeat_ivl, socket.heartbeat_timeout = 5000, 15000
    socket.curve_serverkey = key(os.environ["LGSP_BUS_KEY"], "public")
    socket.curve_publickey = key(os.environ["LGSP_KEY"], "public")
    socket.curve_secretkey = key(os.environ["LGSP_KEY"], "secret")
    socket.connect(endpoint)
    return socket


def pack(header):
    return MAGIC + header.SerializeToString()


def unpack(kind, frame):
    if frame[:4] != MAGIC:
        raise ValueError("no LGH1 header")
    return kind.FromString(frame[4:])


def ask(socket, service, method, request):
    """The answer's body, by one try: for scripts that may simply end. caller.py has all the care."""
    header = RequestHeader(message_id=uuid.uuid4().bytes, method=method, deadline_ms=5000, attempt=1)
    socket.rcvtimeo = socket.sndtimeo = header.deadline_ms + 500
    socket.send_multipart([b"MDPC02", b"\x01", service.encode(), pack(header), request.SerializeToString()])
    _, _, _, head, *body = socket.recv_multipart()
    reply = unpack(ReplyHeader, head)
    if reply.status != 1:
        sys.exit(reply.detail.violations[0].message_en)
    return body[0]
