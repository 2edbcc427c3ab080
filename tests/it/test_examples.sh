#!/bin/bash
# The examples of the README are the files of docs/examples, and they work: clients in Python and Node
# that share no code with ours. TAP on standard output. BIN: folder of the programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/local.sh
. tests/support/local.sh

# shown LANGUAGE FILE: the README's block is the file.
shown() { diff <(awk -v start="^\`\`\`$1\$" '/^```$/ {on = 0} on {print} $0 ~ start {on = 1}' README.md) "$2"; }
check "the README shows the Python example" shown python docs/examples/python/call.py
check "the README shows the Node example" shown js docs/examples/node/call.mjs

start_or_end
python() { PYTHONPATH=$VAR.py /usr/bin/python3 docs/examples/python/call.py "$1"; }
node() {
	local path
	path=$(find "$PWD/tests/node_modules" -path '*/node-linux-*/bin/node' | head -n 1)
	(cd tests && "$path" ../docs/examples/node/call.mjs "$1")
}
generate() { mkdir "$VAR.py" && protoc -Iproto --python_out="$VAR.py" proto/lgsp/{common,bus,dossier}/v1/*.proto; }
check "protoc makes the Python messages" generate
says() { [ "$("$1" "$2")" = "$3" ]; }
for language in python node; do
	check "$language gets an answer" says $language 1.001612 'Đăng ký thành lập hộ kinh doanh'
	check "$language reads an error" says $language 9.9 '9.9 not found'
done
http() {
	curl -fsS -H "Authorization: Bearer $(ctl token issue --subject hl-mot-cua --ttl 600)" -H 'Content-Type: application/json' \
		-d '{"code":"1.001612"}' "$(setting LGSP_URL)/lgsp.dossier.v1.DossierService/GetProcedure" | grep 'Đăng ký thành lập hộ kinh doanh'
}
check "curl gets an answer" http

echo "1..$n"
