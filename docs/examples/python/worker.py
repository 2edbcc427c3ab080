"""A worker of the service "greeting": credit, heartbeats, joining again, deadlines, CANCEL, draining.

usage: worker.py
LGSP_BUS_BACKEND: the brokers' endpoints, it serves at all of them; LGSP_BUS_KEY: their public
certificate; LGSP_KEY: one's own secret certificate; LGSP_INSTANCE: a name of one's own. SIGTERM drains.
"""
import os
import random
import signal
import time

import zmq
from common import open_socket, pack, unpack
from google.protobuf.message import DecodeError
from greeting_pb2 import GreetReply, GreetRequest
from lgsp.bus.v1.header_pb2 import BrokerHello, Caller, ReplyHeader, RequestHeader, WorkerHello
from lgsp.common.v1 import status_pb2 as st

MDPW, READY, REQUEST, FINAL, HEARTBEAT, DISCONNECT, CANCEL = b"MDPW02", b"\x01", b"\x02", b"\x04", b"\x05", b"\x06", b"\x20"
SERVICE, CREDIT, BEAT, LOST = "greeting", 8, 2.0, 6.0
instance = os.environ.get("LGSP_INSTANCE", "python-1")


class Job:
    """A request in hand. Nothing here waits: a timer says when it is due."""

    def __init__(self, link, token, caller, header, body, now):
        self.link, self.token, self.header, self.body = link, token, header, body
        self.deadline = now + caller.time_left_ms / 1000
        self.due = now
        self.cancelled = False


class Link:
    """One broker."""

    def __init__(self, endpoint):
        self.endpoint, self.pause, self.socket = endpoint, 0.1, None
        self.leave(time.monotonic())

    def leave(self, now):
        """The broker went, or never came: another socket, after a growing, jittered pause."""
        if self.socket:
            self.socket.close(linger=0)
        self.socket, self.joined, self.drained = None, False, False
        self.jobs = []  # what the broker that went had given is settled there
        self.back_at = now + random.uniform(self.pause / 2, self.pause)
        self.pause = min(self.pause * 2, 5)

    def say(self, *frames):
        self.socket.send_multipart([MDPW, *frames])
        self.said = time.monotonic()

    def hello(self):
        return pack(WorkerHello(credit=CREDIT, instance=instance, version="1", draining=stopping, cancel=True))

    def tick(self, now):
        if self.socket is None:
            if now < self.back_at:
                return
            self.socket, self.heard = open_socket(self.endpoint), now
        if not self.joined and self.socket.poll(0, zmq.POLLOUT):
            self.joined, self.heard = True, now
            self.say(READY, SERVICE.encode(), self.hello())
        elif self.joined and now - self.said >= BEAT:
            self.say(HEARTBEAT, self.hello())
        if now - self.heard > LOST:
            self.leave(now)

    def read(self, now):
        frames = self.socket.recv_multipart()
        self.heard, command = now, frames[1]
        if command == REQUEST:
            token, _, caller, header, body = frames[2:7]
            self.take(Job(self, token, unpack(Caller, caller), unpack(RequestHeader, header), body, now))
        elif command == HEARTBEAT:
            self.pause = 0.1
            if len(frames) > 2:
                self.drained = unpack(BrokerHello, frames[2]).drain_acknowledged
        elif command == CANCEL:
            for job in self.jobs:
                if job.token == frames[2]:
                    job.cancelled, job.due = True, now
        elif command == DISCONNECT:
            self.leave(now)

    def take(self, job):
        self.jobs.append(job)
        try:
            job.due += GreetRequest.FromString(job.body).after_ms / 1000
        except DecodeError:
            pass  # answered when it is due

    def work(self, now):
        for job in [job for job in self.jobs if job.due <= now]:
            self.jobs.remove(job)
            header, body = answer(job, now)
            header.served_by = f"{SERVICE}/{instance}"
            self.say(FINAL, job.token, b"", pack(header), body)


def refusal(status, code, vietnamese, english):
    header = ReplyHeader(status=status, outcome=st.OUTCOME_NOT_DONE)
    header.detail.side = st.SIDE_CALLER
    header.detail.violations.add(code=code, message_vi=vietnamese, message_en=english)
    return header, b""


def answer(job, now):
    """What is expired or cancelled before it is begun is never begun."""
    if job.cancelled:
        return refusal(st.STATUS_EXPIRED, "CANCELLED", "Yêu cầu đã được hủy", "the caller cancelled the request")
    if now >= job.deadline:
        print("expired", flush=True)
        return refusal(st.STATUS_EXPIRED, "EXPIRED", "Đã quá thời hạn", "the deadline has passed")
    if job.header.method != "Greet":
        return refusal(st.STATUS_NOT_FOUND, "UNKNOWN_METHOD", "Không có phương thức này", "there is no such method")
    try:
        request = GreetRequest.FromString(job.body)
    except DecodeError:
        return refusal(st.STATUS_INVALID, "MALFORMED_MESSAGE", "Thông điệp hỏng", "the message is malformed")
    print("greeted", request.name, flush=True)
    reply = GreetReply(text=f"Xin chào, {request.name}!")
    return ReplyHeader(status=st.STATUS_OK, outcome=st.OUTCOME_DONE), reply.SerializeToString()


stopping = False


def drain(*_):
    global stopping
    stopping = True


def main():
    signal.signal(signal.SIGTERM, drain)
    links, announced = [Link(endpoint) for endpoint in os.environ["LGSP_BUS_BACKEND"].split()], False
    while True:
        now = time.monotonic()
        for link in links:
            link.tick(now)
            link.work(now)
        if stopping and not announced:
            announced = True
            for link in links:
                if link.joined:
                    link.say(HEARTBEAT, link.hello())
        if stopping and all(not link.jobs and (link.drained or not link.joined) for link in links):
            break
        poller = zmq.Poller()
        for link in links:
            if link.socket:
                poller.register(link.socket, zmq.POLLIN)
        ready = dict(poller.poll(20))
        for link in links:
            if link.socket in ready:
                link.read(time.monotonic())
    for link in links:
        if link.joined:
            link.say(DISCONNECT)
            link.socket.close(linger=1000)


if __name__ == "__main__":
    main()
