# verify_feed.py SERVICE FEED: pulls a published feed and checks every range of it by its seals. Set up as caller.py.
import os, sys
from hashlib import sha256
from common import ask, open_socket
from lgsp.feed.v1.feed_pb2 import PullReply, PullRequest

def pull(service, feed):
    socket, page = open_socket(os.environ["LGSP_BUS_MEMBER"].split()[0]), PullReply()
    while not page.epoch or page.next < page.high_water:
        request = PullRequest(feed=feed, after=page.next, epoch=page.epoch)
        page = PullReply.FromString(ask(socket, service, "Feed.Pull", request))
        yield page

def verify(pages):
    pos, sealed, seals = 0, 0, {}
    chain = sha256(bytes(32))  # each seal: SHA-256(digest before, SHA-256 of each entry)
    for page in pages:
        seals.update({seal.pos_to: seal for seal in page.seals})
        for pos, entry in enumerate(page.entries, pos + 1):
            entry.pos == pos or sys.exit(f"position {entry.pos} follows {pos - 1}")
            chain.update(sha256(entry.event).digest())
            if seal := seals.get(pos):
                fits = seal.count == pos - sealed and seal.digest == chain.digest()
                fits or sys.exit(f"the seal at {pos} does not fit the entries {sealed + 1} to {pos}")
                sealed, chain = pos, sha256(chain.digest())
    pos == sealed == page.high_water or sys.exit(f"sealed up to {sealed}, the feed ends at {page.high_water}")
    return f"{pos} entries under {len(seals)} seals, nothing missing or changed"

if __name__ == "__main__":
    print(verify(pull(*sys.argv[1:])))
