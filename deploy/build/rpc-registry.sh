#!/bin/sh
# rpc-registry.sh services/*/rpc.c: C code of rpc_registry[], one entry per table. The folder names
# the table: services/task/rpc.c defines `const struct rpc_table task_rpcs`.
set -eu
echo '#include "common/wire/rpc.h"'
for f in "$@"; do
	s=$(basename "$(dirname "$f")")
	echo "extern const struct rpc_table ${s}_rpcs;"
done
echo 'const struct rpc_table *const rpc_registry[] = {'
for f in "$@"; do
	s=$(basename "$(dirname "$f")")
	echo "	&${s}_rpcs,"
done
echo '	NULL,'
echo '};'
