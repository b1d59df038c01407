#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle run --json: one line on stderr, after the command's own; stdout is the command's, byte for byte.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3

mkdir "$T/d"
cd "$T/d"
value() {
	tail -n 1 "$T/err" | python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}
status_is 3 isle run --json -n a --net none -- sh -c 'printf "a\r\nb"; echo talk >&2; echo x >f; exit 3' >"$T/out" 2>"$T/err"
same "$(od -An -c "$T/out" | tr -s ' ')" ' a \r \n b'
same "$(head -n 1 "$T/err")" talk
same "$(value 'd["version"], d["isle"], d["outcome"], d["status"], d["became"], d["summary"]["create"]')" "(1, 'a', 'exited', 3, 'kept', 1)"

isle run --json -q -n a --net none --commit -- true 2>"$T/err"
same "$(value 'd["became"], d["operation"], d["summary"]["create"]')" "('committed', 1, 0)"
content f x

isle run --json -q -n a --net none --discard -- sh -c 'rm f' 2>"$T/err"
same "$(value 'd["became"], d["operation"]')" "('discarded', 2)"
content f x

status_is 137 isle run --json -q --net none -- sh -c 'kill -9 $$' 2>"$T/err"
same "$(value 'd["outcome"], d["status"]')" "('signalled', 137)"
status_is 127 isle run --json -q --net none -- ./nothing 2>"$T/err"
same "$(value 'd["outcome"]')" not-found

# What the isle read has changed: it is kept, and the line says why.
echo one >input
isle run --json -q -n b --net none --commit -- sh -c "cat input >copy; sleep 2" 2>"$T/err" &
sleep 0.2
for _ in $(seq 50); do [ -z "$(isle list | grep -w b)" ] || break; sleep 0.05; done
until isle trace --json b 2>/dev/null | grep -q '/input"'; do sleep 0.02; done
echo two >input
wait $!
same "$(value 'd["became"], d["summary"]["create"]')" "('conflict', 1)"
absent copy
