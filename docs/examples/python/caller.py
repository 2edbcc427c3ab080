"""Calls greeting.Greet, whatever restarts meanwhile: one message id through all tries and endpoints.

usage: caller.py NAME [AFTER_MS [DEADLINE_MS [GIVE_UP_MS]]]
LGSP_BUS_MEMBER: the brokers' endpoints; LGSP_BUS_KEY: their public certificate; LGSP_KEY: one's own
secret certificate. Python messages: protoc --python_out, see docs/examples/README.md.
"""
import os
import random
import sys
import time

import zmq
from common import open_socket, pack, unpack
from greeting_pb2 import GreetReply, GreetRequest
from lgsp.bus.v1.header_pb2 import ReplyHeader, RequestHeader
from lgsp.common.v1 import status_pb2 as st

MDPC, REQUEST, FINAL, PING = b"MDPC02", b"\x01", b"\x03", b"\x21"
REPEAT = {st.STATUS_BUSY, st.STATUS_EXPIRED, st.STATUS_NO_SERVICE, st.STATUS_WORKER_LOST, st.STATUS_DRAINING,
          st.STATUS_UNAVAILABLE}
SILENCE_MS = 1000  # then a PING; three of them and the broker counts as lost
SLICE_MS = 50  # how often a silent connection is looked at: libzmq takes 100 ms to join again


def uuid7():
    head = int(time.time() * 1000).to_bytes(6, "big")
    rest = bytearray(os.urandom(10))
    rest[0] = rest[0] & 0x0F | 0x70
    rest[2] = rest[2] & 0x3F | 0x80
    return head + bytes(rest)


def ask_once(socket, service, header, body):
    """(answered, reply header, reply body); answered None: nothing was sent, False: nobody knows."""
    if not socket.poll(SILENCE_MS, zmq.POLLOUT):
        return None, None, None
    socket.send_multipart([MDPC, REQUEST, service, pack(header), body])
    end = time.monotonic() + header.deadline_ms / 1000 + 0.5
    silent_ms = 0
    while time.monotonic() < end and silent_ms < 3 * SILENCE_MS:
        if not socket.poll(SLICE_MS):
            if not socket.poll(0, zmq.POLLOUT):
                break  # the connection has ended, and with it what was asked over it
            silent_ms += SLICE_MS
            if silent_ms % SILENCE_MS == 0:
                socket.send_multipart([MDPC, PING])
            continue
        silent_ms = 0
        frames = socket.recv_multipart()
        if frames[1] != FINAL:
            continue  # PONG: the broker lives
        reply = unpack(ReplyHeader, frames[3])
        if reply.message_id == header.message_id:
            return True, reply, frames[4]
    return False, None, None


class Caller:
    def __init__(self, endpoints):
        self.sockets = [open_socket(endpoint) for endpoint in endpoints]
        self.at = 0

    def call(self, service, method, body, deadline_ms, give_up_ms):
        """(reply header or None, body, unknown): unknown means the effect may exist."""
        header = RequestHeader(message_id=uuid7(), method=method, deadline_ms=deadline_ms)
        end = time.monotonic() + give_up_ms / 1000
        pause, unknown = 0.1, False
        while True:
            header.attempt += 1
            answered, reply, answer = ask_once(self.sockets[self.at], service, header, body)
            if answered:
                # A refusal says nothing about an earlier try that nobody answered.
                unknown = reply.outcome != st.OUTCOME_DONE and (unknown or reply.outcome != st.OUTCOME_NOT_DONE)
            elif answered is False:
                unknown = True
            if answered and reply.status not in REPEAT or time.monotonic() > end:
                return reply, answer, unknown
            self.at = (self.at + 1) % len(self.sockets)
            advised = reply.retry_after_ms / 1000 if reply else 0
            time.sleep(max(advised, random.uniform(pause / 2, pause)))
            pause = min(pause * 2, 2)


def main(name, after_ms=0, deadline_ms=5000, give_up_ms=20000):
    caller = Caller(os.environ["LGSP_BUS_MEMBER"].split())
    request = GreetRequest(name=name, after_ms=int(after_ms))
    reply, body, unknown = caller.call(b"greeting", "Greet", request.SerializeToString(), int(deadline_ms),
                                       int(give_up_ms))
    if reply and reply.status == st.STATUS_OK:
        print(f"{GreetReply.FromString(body).text} ({reply.served_by})")
        return 0
    status = st.Status.Name(reply.status)[len("STATUS_"):] if reply else "NO_ANSWER"
    code = reply.detail.violations[0].code if reply and reply.detail.violations else "-"
    print(status, code, "UNKNOWN" if unknown else "NOT_DONE")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
