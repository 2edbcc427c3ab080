#!/bin/bash
# The golden frames of the bus (tests/golden/frames.json), packed and read by the protobuf libraries of
# Python and Node, and shown in docs/wire.md as they are. In C: tests/unit/test_golden_frames.c. TAP.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/local.sh
. tests/support/local.sh

mkdir "$VAR"
node=$(find "$PWD/tests/node_modules" -path '*/node-linux-*/bin/node' | head -n 1)
python() { PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$VAR /usr/bin/python3 tests/golden/check.py; }
node() { (cd tests && "$node" golden/check.mjs); }
check "protoc makes the Python messages" protoc -Iproto --python_out="$VAR" proto/lgsp/{common,bus}/v1/*.proto
check "golden frames in Python, and in docs/wire.md" python
check "golden frames in Node" node

# shellcheck disable=SC2154 # counted by check
echo "1..$n"
