# mkdir -p build/py; protoc -Iproto --python_out=build/py proto/lgsp/{common,bus,dossier}/v1/*.proto  (python3-zmq, python3-protobuf)
# PYTHONPATH=build/py LGSP_ENV_FILE=var/run/lgspctl.env python3 docs/examples/python/call.py 1.001612
import os, re, sys, uuid, zmq
from lgsp.bus.v1 import header_pb2 as bus
from lgsp.dossier.v1 import dossier_pb2 as dossier

env = dict(line.rstrip("\n").split("=", 1) for line in open(os.environ["LGSP_ENV_FILE"]))
key = lambda path, part: re.search(part + r'-key = "(.*)"', open(path).read())[1].encode()
own = env["LGSP_KEYS_DIR"] + "/one-stop.key_secret"  # the example member of deploy/rights

socket = zmq.Context().socket(zmq.DEALER)
socket.setsockopt(zmq.LINGER, 0)
socket.setsockopt(zmq.RCVTIMEO, 5000)
socket.curve_serverkey = key(env["LGSP_BUS_KEY"], "public")
socket.curve_publickey, socket.curve_secretkey = key(own, "public"), key(own, "secret")
socket.connect(env["LGSP_BUS_MEMBER"].split()[0])  # one broker; a DEALER for each other

header = bus.RequestHeader(message_id=uuid.uuid4().bytes, method="GetProcedure", deadline_ms=5000, attempt=1)
request = dossier.GetProcedureRequest(code=sys.argv[1])
socket.send_multipart([b"MDPC02", b"\x01", b"dossier", b"LGH1" + header.SerializeToString(), request.SerializeToString()])
_, _, _, head, body = socket.recv_multipart()
reply = bus.ReplyHeader.FromString(head[4:])
print(dossier.GetProcedureReply.FromString(body).procedure.name if reply.status == 1 else reply.detail.violations[0].message_en)
