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
generate() { mkdir "$VAR.py" && protoc -Iproto --python_out="$VAR.py" proto/lgsp/{common,bus,dossier,feed}/v1/*.proto; }
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

# --- a published feed, verified by a stranger ---

verify() {
	PYTHONPATH=$VAR.py LGSP_BUS_MEMBER=$(setting LGSP_BUS_MEMBER) LGSP_BUS_KEY=$(setting LGSP_BUS_KEY) \
		LGSP_KEY=$(setting LGSP_KEYS_DIR)/one-stop.key_secret /usr/bin/python3 docs/examples/python/verify_feed.py "$@"
}
whole() { verify directory directory.catalogue | grep -E '^[1-9][0-9]* entries under [1-9][0-9]* seals, nothing missing or changed$'; }
check "every range of a published feed is verified by its seals" whole
thirty() { [ "$(wc -l <docs/examples/python/verify_feed.py)" -le 30 ]; }
check "in thirty lines" thirty
not_granted() { ! verify directory directory 2>"$VAR.said" && grep 'not granted the feed directory' "$VAR.said"; }
check "the service's own feed is not for outsiders" not_granted
# tampered CHANGE SAYS: with that change of the pages p the verifier says so.
tampered() {
	PYTHONPATH=$VAR.py:docs/examples/python LGSP_BUS_MEMBER=$(setting LGSP_BUS_MEMBER) LGSP_BUS_KEY=$(setting LGSP_BUS_KEY) \
		LGSP_KEY=$(setting LGSP_KEYS_DIR)/one-stop.key_secret /usr/bin/python3 - "$1" 2>"$VAR.said" <<-'END' && return 1
			import sys
			from verify_feed import PullReply, pull, verify
			p = PullReply()
			for page in pull("directory", "directory.catalogue"):
			    p.MergeFrom(page)  # lists grow, high_water is the newest
			exec(sys.argv[1])
			print(verify([p]))
	END
	grep -E "$2" "$VAR.said"
}
check "a changed byte is found" tampered 'e = p.entries[3]; e.event = e.event[:-1] + bytes([e.event[-1] ^ 1])' '^the seal at [0-9]+ does not fit'
check "a missing entry is found" tampered 'del p.entries[3]' '^position 5 follows 3$'
check "one missing and the others moved up" tampered 'del p.entries[3]
for i, e in enumerate(p.entries): e.pos = i + 1' '^the seal at [0-9]+ does not fit|^sealed up to'
check "a doubled entry is found" tampered 'p.entries.add().CopyFrom(p.entries[-1])' '^position [0-9]+ follows'
check "two that changed places are found" tampered 'a, b = p.entries[3], p.entries[4]; a.event, b.event = b.event, a.event' '^the seal at'
check "an end that was cut off is found" tampered 'del p.entries[-1]' '^sealed up to'

echo "1..$n"
