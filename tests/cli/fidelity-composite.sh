#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Directories beside a mount are mounts of their own in an ordinary user's isle, and yet they can be renamed, removed and made
# again as on the host.
# time-limit: 120
if [ -z "${IN_NAMESPACE:-}" ]; then
	exec unshare -m --propagation private env IN_NAMESPACE=1 bash "$0"
fi
. "$(dirname "$0")/../lib.sh"
need python3
[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"

helpers=$(readlink -f "$(dirname "$0")/../helpers")
cp "$helpers/renames.py" "$helpers/make_renames.sh" "$T"
chmod 0755 "$T"
D=$T/host
install -d -o "$ISLE_TEST_USER" -g "$ISLE_TEST_USER" "$D"
install -d -m 0700 -o "$ISLE_TEST_USER" -g "$ISLE_TEST_USER" "$T/store.user"
at_end 'umount -l "$D"/*/mount'
for where in native isle small; do
	as_user bash "$T/make_renames.sh" "$D/$where"
	as_user mkdir "$D/$where/mount"
	mount -t tmpfs none "$D/$where/mount"
done

# user COMMAND...: as the user, with a store beside the trees.
user() {
	as_user env ISLE_HOME="$T/store.user" "$@"
}

cat >"$T/show.py" <<'PY'
import sys
exec(open(sys.argv[1]).read().split('top = sys.argv[1]')[0])
show(sys.argv[2])
PY

# What is open while its directory is renamed stays what it was (doc/fidelity.md), and of two errors the kernel finds the other first.
explained() {
	sed -E '/^(dot|dotdot) E/d; /^opened\/file /d' "$1"
}

before=$(tree_of "$D/isle")
user python3 "$T/renames.py" "$D/native" >"$T/native"
for options in "" --no-track; do
	user "$ISLE" run -q -n "r$options" $options -- python3 "$T/renames.py" "$D/isle" >"$T/inside"
	diff <(explained "$T/native") <(explained "$T/inside") >&2 || fail "renames end differently inside ($options)"
	user "$ISLE" run -q -n "r$options" $options -- python3 "$T/show.py" "$T/renames.py" "$D/isle" >"$T/again"
	diff <(explained "$T/native" | sed '1,/^many ok/d') <(explained "$T/again") >&2 || fail "a second run sees something else ($options)"
done
same "$(tree_of "$D/isle")" "$before" "the host's tree"

# What is a mount point on the host stays one, and so does what holds it.
status_is 1 user "$ISLE" run -q -n r -- rmdir "$D/isle/mount" 2>"$T/said"
has "$(cat "$T/said")" "busy"

cd "$D/small"
user "$ISLE" run -q -n s -- sh -eu -c 'cd "$1"
	! rmdir full 2>said
	grep -q "not empty" said
	rm said
	rmdir empty
	! ls empty 2>said
	rm said
	mkdir empty
	echo new >empty/new
	rm -r onto
	echo file >onto
	rm -r many
	mkdir many
	rmdir many
	cd dir
	rm f
	rmdir ../dir
	! touch x 2>/dev/null
	cd ..
	mv plain/a plain/b2
	mv plain renamed
	echo more >>renamed/old' . "$D/small"
user "$ISLE" status s >"$T/status" || true
for line in "D  $D/small/dir/  (1 entry" "A  $D/small/empty/new" "T  $D/small/onto  directory -> file" "D  $D/small/many/  (300 entries" \
	"A  $D/small/renamed/" "(was $D/small/plain)" "D  $D/small/plain/"; do
	has "$(cat "$T/status")" "$line"
done

# What is taken back is the host's again, and not what the isle had left of it.
user "$ISLE" discard -q --yes s "$D/small/many" "$D/small/dir"
same "$(user "$ISLE" run -q -n s -- sh -c 'cd "$1"; ls many | wc -l; cat dir/f' . "$D/small" | xargs)" "300 content of dir/f"

user "$ISLE" commit -q --yes s
same "$(printf '%s ' empty/* renamed/*)" "empty/new renamed/b2 renamed/fifo renamed/old "
content onto file
content renamed/old "content of plain/old
more"
absent plain
user "$ISLE" undo -q --yes
content plain/a/b/f "content of plain/a/b/f"
content onto/f "content of onto/f"
absent renamed empty/new
cd /

# What the host removes between the plan of the view and its mounts is left out.
cat >"$T/churn.py" <<'PY'
import os, sys
n = 0
while not os.path.exists(sys.argv[2]):
    names = [f"{sys.argv[1]}/{i}" for i in range(n, n + 60)]
    n += 60
    for name in names:
        os.mkdir(name)
    for name in names:
        os.rmdir(name)
PY
install -d -o "$ISLE_TEST_USER" -g "$ISLE_TEST_USER" "$D/churn" "$D/churn/mount"
mount -t tmpfs none "$D/churn/mount"
python3 "$T/churn.py" "$D/churn" "$T/enough" &
churn=$!
at_end 'kill "$churn" 2>/dev/null || true'
for _ in $(seq 30); do user "$ISLE" run -q --discard -- true || fail "a directory that has gone keeps an isle from starting"; done
touch "$T/enough"
wait "$churn"
