#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Paths on the command line: inside new directories, patterns, names that look like patterns, empty ones, and none to be relative to.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3

H=$T/host
mkdir "$H"
cd "$H"
isle run -q -n made -- sh -c 'mkdir -p new/deep; echo x >new/deep/file; echo >new/a.log; echo 1 >"[id].js"; echo 2 >"x?y"'

# What is inside a new directory has a line when it is asked for.
same "$(isle status made new/deep/file || true)" "A  $H/new/deep/file
1 new; 2 B"
same "$(isle status -z made new/deep | tr '\0' '\n' || true)" "A $H/new/deep"
same "$(isle status --json made new/deep/ | python3 -c 'import json, sys; d = json.load(sys.stdin); print([c["path"] for c in d["changes"]], d["summary"]["bytes"])' || true)" \
	"['$H/new/deep'] 2"
status_is 3 isle status --json made new/deep >"$T/out"
# ... and a directory still stands for all of it.
same "$(isle status made ./new || true)" "A  $H/new/  (3 entries, 3 B)
1 new; 3 B"

# Patterns, as for a commit.
same "$(isle status -z made '*.log' | tr '\0' '\n' || true)" "A $H/new/a.log"
same "$(isle status -z made './n?w/deep' | tr '\0' '\n' || true)" "A $H/new/deep"
has "$(isle diff made '*.log' || true)" "b$H/new/a.log"
hasnt "$(isle diff made '*.log' || true)" deep/file

# A name that is written like a pattern.
same "$(isle status -z made './[id].js' | tr '\0' '\n' || true)" "A $H/[id].js"
isle commit -q --yes made './[id].js' 'x?y'
content '[id].js' 1
content 'x?y' 2
isle run -q -n more -- touch '[sic].js' other
isle commit -q --yes --except './[sic].js' more
absent '[sic].js'
exists other

# An empty one is not the current directory.
isle run -q -n second -- touch precious
for verb in "status second" "diff second" "explain second" "commit --yes second" "discard --yes second" "plan second" "check second"; do
	# shellcheck disable=SC2086
	status_is 1 isle $verb "" 2>"$T/err"
	same "$(cat "$T/err")" "isle: a path cannot be empty"
done
status_is 2 isle commit --yes --except "" second 2>"$T/err"
same "$(cat "$T/err")" "isle: a path cannot be empty"
absent precious
for option in --hide --write; do
	status_is 125 isle run $option "" true 2>"$T/err"
	same "$(cat "$T/err")" "isle: a path cannot be empty"
done

status_is 125 isle run --chdir "" true 2>"$T/err"
has "$(head -n 1 "$T/err")" "--chdir needs a directory"

# What a link leads to is hidden under all its names, and written to; whatever the isle has made of the link.
mkdir -p keys/deep
echo secret >keys/deep/key
ln -s keys link
ln -s nowhere dangling
view() {
	isle run -q -n view --net none "$@"
}
same "$(view --hide link -- ls -A keys link/ 2>&1)" $'keys:\n\nlink/:'
same "$(view --hide link/deep -- ls -A keys/deep)" ""
hasnt "$(view --hide link/deep/key -- cat keys/deep/key link/deep/key 2>&1)" secret
# What a link will lead to is hidden, too, by both names, and the isle can make nothing there.
same "$(view --hide dangling -- sh -c 'echo made >nowhere; ls -A dangling nowhere' 2>"$T/err")" $'dangling:\n\nnowhere:'
has "$(cat "$T/err")" "Is a directory"
hasnt "$(cat "$T/err")" "isle: "
absent nowhere
ln -s dangling second
same "$(view --hide second -- ls -A dangling second nowhere)" $'dangling:\n\nnowhere:\n\nsecond:'
ln -sfn nowhere/ second
same "$(view --hide second -- ls -A second nowhere)" $'nowhere:\n\nsecond:'
ln -s missing/file lost
status_is 125 view --hide lost -- true 2>"$T/err"
has "$(cat "$T/err")" "cannot hide what $H/lost leads to: the directory that it would be in is missing"
rm second lost
# A run that joins looks again where a link leads.
mkdir elsewhere
echo else >elsewhere/key
isle run -q -n joined --net none --hide link -- sh -c "touch begun; sleep 3" &
until [ -n "$(isle run -q -n joined --net none --hide link -- ls begun 2>/dev/null)" ]; do sleep 0.1; done
ln -sfn elsewhere link
status_is 125 isle run -q -n joined --net none --hide link -- true 2>"$T/err"
has "$(cat "$T/err")" "in use with other options"
wait
ln -sfn keys link
rm -r elsewhere
isle rm -qy joined
view -- sh -c 'rm link nowhere; mkdir zone; echo x >zone/file; ln -s zone link'
same "$(view --hide link -- ls -A keys zone)" $'keys:\n\nzone:'
view -- ln -sfn /../../../proc link
same "$(view --hide link -- ls -A keys)" ""
isle rm -qy view
view --write link -- sh -c 'echo through >link/new'
content keys/new through

# The store stays out of sight. What cannot be hidden or written to is refused, not passed over.
same "$(view --write "$T" -- ls -A "$ISLE_HOME")" ""
for path in "$ISLE_HOME" "$ISLE_HOME/isles"; do
	status_is 125 view --write "$path" -- true 2>"$T/err"
	has "$(cat "$T/err")" "isles are kept there"
done
for option in --hide --write; do
	status_is 125 view $option / -- true 2>"$T/err"
	has "$(cat "$T/err")" "$option is not for the whole file system"
	for path in /proc/sys /sys /dev/full; do
		status_is 125 view $option $path -- true 2>"$T/err"
		has "$(cat "$T/err")" "$option $path: an isle has its own"
	done
done

# A current directory with a longer name than a call can take.
python3 - "$ISLE" >"$T/out" <<'PYTHON'
import os, subprocess, sys
for _ in range(30):
    os.mkdir("long" * 50)
    os.chdir("long" * 50)
run = [sys.argv[1], "run", "-q", "-n", "long", "--net", "none", "--", "sh", "-c", "pwd; echo x >new; mkdir d; mv new d"]
assert subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout == os.getcwd() + "\n"
assert subprocess.run([sys.argv[1], "status", "long", "."]).returncode == 3
PYTHON
has "$(cat "$T/out")" "/d/  (1 entry, 2 B)"
rm -rf "$H"/longlong*

# Where there is no current directory.
mkdir gone
cd gone
rmdir ../gone
for verb in "status second" "commit --yes second"; do
	# shellcheck disable=SC2086
	status_is 1 isle $verb ./x 2>"$T/err"
	has "$(cat "$T/err")" "cannot tell the current directory"
done
status_is 2 isle commit --yes --hunk ./x:1 second 2>"$T/err"
has "$(cat "$T/err")" "No such file"
status_is 3 isle status second "$H/precious" >"$T/out"
