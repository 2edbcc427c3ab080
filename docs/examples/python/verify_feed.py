# verify_feed.py SERVICE FEED [FILE]: pulls a published feed and checks every range of it by its seals. With FILE the
# pages are kept there, or, when it exists, read from it instead of the bus. Set up as call.py.
import os, re, sys, uuid
from hashlib import sha256
from lgsp.bus.v1 import header_pb2 as bus
from lgsp.feed.v1 import feed_pb2 as feed

def pull_all(service, name):
    import zmq
    env = dict(line.rstrip("\n").split("=", 1) for line in open(os.environ["LGSP_ENV_FILE"]))
    key = lambda path, part: re.search(part + r'-key = "(.*)"', open(path).read())[1].encode()
    own = env["LGSP_KEYS_DIR"] + "/one-stop.key_secret"
    socket = zmq.Context().socket(zmq.DEALER)
    socket.linger, socket.rcvtimeo = 0, 10000
    socket.curve_serverkey = key(env["LGSP_BUS_KEY"], "public")
    socket.curve_publickey, socket.curve_secretkey = key(own, "public"), key(own, "secret")
    socket.connect(env["LGSP_BUS_MEMBER"].split()[0])
    whole = feed.PullReply()
    while whole.next < whole.high_water or not whole.epoch:
        header = bus.RequestHeader(message_id=uuid.uuid4().bytes, method="Feed.Pull", deadline_ms=5000, attempt=1)
        request = feed.PullRequest(feed=name, after=whole.next, epoch=whole.epoch)
        socket.send_multipart([b"MDPC02", b"\x01", service.encode(), b"LGH1" + header.SerializeToString(), request.SerializeToString()])
        head, body = socket.recv_multipart()[3:5]
        reply = bus.ReplyHeader.FromString(head[4:])
        if reply.status != 1:
            sys.exit(reply.detail.violations[0].message_en)
        whole.MergeFromString(body)  # lists grow, next and high_water are the newest
    return whole

def verify(pages):
    seals = {seal.pos_to: seal for seal in pages.seals}
    pos, sealed, chain = 0, 0, sha256(bytes(32))  # each seal: SHA-256(digest before, SHA-256 of each entry)
    for entry in pages.entries:
        if entry.pos != pos + 1:
            sys.exit(f"position {entry.pos} follows {pos}")
        pos = entry.pos
        chain.update(sha256(entry.event).digest())
        if pos in seals:
            if seals[pos].count != pos - sealed or seals[pos].digest != chain.digest():
                sys.exit(f"the seal at {pos} does not fit the entries {sealed + 1} to {pos}")
            sealed, chain = pos, sha256(chain.digest())
    if not pos == sealed == pages.high_water:
        sys.exit(f"sealed up to {sealed}, the feed ends at {pages.high_water}")
    return f"{pos} entries under {len(seals)} seals, nothing missing or changed"

if __name__ == "__main__":
    file = sys.argv[3] if len(sys.argv) > 3 else None
    pages = feed.PullReply.FromString(open(file, "rb").read()) if file and os.path.exists(file) else pull_all(*sys.argv[1:3])
    print(verify(pages))
    if file and not os.path.exists(file):
        open(file, "wb").write(pages.SerializeToString())
