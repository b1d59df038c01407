#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a program reads and changes through mounts that were made inside (--nest) is on record under the names it has on the host.
# runs-as: root user
# time-limit: 180
. "$(dirname "$0")/../lib.sh"
need bwrap unshare python3

H=$T/host
mkdir -p "$H"/{a/dir,b/dir,jail,plain,lower,work,merged}
cd "$H"
for file in a/f a/dir/inner a/exec a/late b/dir/other plain/f lower/f; do echo "content of $file" >$file; done
ln -s f a/link
ln -s "$H/plain/f" a/absolute
printf '#!%s/a/interpreter\n' "$H" >a/script
cp /bin/true a/interpreter
chmod +x a/script

# reads ISLE, writes ISLE: what is on record below $H, one a line.
list() {
	isle trace --json "$1" | python3 -c '
import json, sys
top = sys.argv[1] + "/"
for one in json.load(sys.stdin)[sys.argv[2]]:
    if one["path"].startswith(top):
        how = one["how"] if sys.argv[2] == "writes" else ",".join(one["how"])
        print(how, one["path"][len(top):], "" if one.get("existed", True) else "missing")' "$H" "$2" | sed 's/ $//' | sort
}
complete() {
	isle trace --json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["runs"][-1]["complete"])'
}

inside=(bwrap --unshare-user --dev-bind / / --bind "$H/a" "$H/b" --tmpfs "$H/work")
isle run -q -n bound --nest -- "${inside[@]}" sh -c '
	cat b/f b/link b/absolute b/../a/late >/dev/null
	! cat b/missing 2>/dev/null
	ls b/dir >/dev/null
	b/script
	echo x >>b/f
	echo x >b/new
	chmod 600 b/exec
	echo x >work/of-the-tmpfs
	cat work/of-the-tmpfs >/dev/null'
list bound reads >"$T/reads"
for read in "content a/f" "link a/link" "link a/absolute" "content plain/f" "content a/late" "lookup a/missing missing" \
	"list a/dir" "exec a/script" "exec a/interpreter"; do
	has "$(cat "$T/reads")" "$read"
done
hasnt "$(cat "$T/reads")" " b/"
hasnt "$(cat "$T/reads")" tmpfs
same "$(list bound writes)" "append a/f
create a/new
metadata a/exec"
same "$(complete bound)" True
has "$(isle explain bound a/f)" "echo x >>b/f"
has "$(isle explain bound a/f)" "base         the host's old content was kept"

# The same name means something else from one moment to the next.
isle run -q -n moments --nest -- unshare -Urm sh -c '
	! cat b/late 2>/dev/null
	mount --bind a b
	cat b/late >/dev/null
	umount b
	! cat b/late 2>/dev/null
	mount --bind plain b
	! cat b/late 2>/dev/null'
list moments reads >"$T/reads"
for read in "lookup b/late missing" "content a/late" "lookup plain/late missing"; do has "$(cat "$T/reads")" "$read"; done

# From another root directory as well.
isle run -q -n jail --nest -- unshare -Urm sh -c 'mount --rbind / jail; mount --bind a "jail$PWD/b"; exec chroot jail sh -c "cd \"$PWD\" && cat b/f plain/f >/dev/null"'
list jail reads >"$T/reads"
for read in "content a/f" "content plain/f"; do has "$(cat "$T/reads")" "$read"; done
hasnt "$(cat "$T/reads")" jail/

# Nothing of the view is moved instead of what the program means (for a user the supervisor renames directories of the host).
isle run -q -n moved --nest -- "${inside[@]}" sh -c 'mv b/dir b/dir2 && cat b/dir2/inner' >"$T/out"
content "$T/out" "content of a/dir/inner"
same "$(isle run -q -n moved -- sh -c 'echo a/* b/*; cat b/dir/other')" \
	"a/absolute a/dir2 a/exec a/f a/interpreter a/late a/link a/script b/dir
content of b/dir/other"

# What an overlay of its own shows cannot be told: the record says that it is not complete.
isle run -q -n overlay --nest -- unshare -Urm sh -c \
	'mount -t tmpfs none work && mkdir work/u work/w && mount -t overlay -o "lowerdir=$PWD/lower,upperdir=$PWD/work/u,workdir=$PWD/work/w" none merged && cat merged/f' >"$T/out"
content "$T/out" "content of lower/f"
same "$(complete overlay)" False
has "$(isle trace overlay)" "not complete: an overlay that was mounted inside"
