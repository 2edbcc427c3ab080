"""The golden frames, packed and read by protobuf for Python; and the hex that docs/wire.md shows."""
import json
import sys

from google.protobuf import json_format
from lgsp.bus.v1 import header_pb2 as bus

with open("tests/golden/frames.json", encoding="utf-8") as file:
    table = json.load(file)
checked = 0
for message in table:
    for frame in message["frames"]:
        if "header" not in frame:
            continue
        kind, golden = getattr(bus, frame["header"]), bytes.fromhex(frame["hex"])
        packed = b"LGH1" + json_format.ParseDict(frame["fields"], kind()).SerializeToString(deterministic=True)
        fields = json_format.MessageToDict(kind.FromString(golden[4:]))
        if packed != golden or fields != frame["fields"]:
            sys.exit(f"{message['message']}: {packed.hex()} {fields}")
        checked += 1

# Blocks that begin with ```hex NAME: the frames of that message, one a line, "-" for an empty one.
shown = 0
with open("docs/wire.md", encoding="utf-8") as file:
    lines = file.read().split("\n")
for at, line in enumerate(lines):
    if not line.startswith("```hex "):
        continue
    block = lines[at + 1:lines.index("```", at)]
    frames = ["" if row.split()[0] == "-" else row.split()[0] for row in block]
    wanted = [frame["hex"] for entry in table if entry["message"] == line.split()[1] for frame in entry["frames"]]
    if frames != wanted:
        sys.exit(f"docs/wire.md, {line}: {frames}, not {wanted}")
    shown += 1
print(f"{checked} headers, {shown} blocks")
sys.exit(0 if checked >= 10 and shown >= 4 else 1)
