#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the kernel's overlayfs leaves in an upper directory is read as the right changes, and the patch of them applies.
# runs-as: root user
# time-limit: 120
. "$(dirname "$0")/../lib.sh"

H=$T/host
mkdir "$H" "$T/mnt"
if [ "$(id -u)" = 0 ]; then
	mode=root options=redirect_dir=on,index=on,xino=auto,metacopy=on unshare=(unshare -m)
else
	mode=user options=userxattr unshare=(unshare -Urm)
fi

# The layers of an isle "t" over $H, made by hand so that nothing but the kernel has written them.
"$ISLE" gc
id=17ab000000000001
layer=$ISLE_HOME/isles/$id/layers.d/0
fresh() {
	chmod -R u+rwx "$ISLE_HOME/isles" 2>/dev/null || true
	rm -rf "$ISLE_HOME/isles/$id" "$ISLE_HOME/names/t" "$H"
	mkdir -p "$layer/upper" "$layer/work" "$H"
	ln -s "$id" "$ISLE_HOME/names/t"
	printf 'isle-layers 1\noverlay %s 0755 %s - -\n' "$mode" "$H" >"$ISLE_HOME/isles/$id/layers"
	cd "$H"
}

# inside COMMANDS: runs them in the root of the overlay.
inside() {
	"${unshare[@]}" bash -eu -c "
		mount -t overlay t -o 'lowerdir=$H,upperdir=$layer/upper,workdir=$layer/work,$options' '$T/mnt'
		cd '$T/mnt'
		$1"
}

# expect FLAGS LINE...: isle status -z with these flags, without the host's directory; a newline is shown as "?". The old
# path of a rename is a line of its own.
expect() {
	local flags=$1 status=0
	shift
	# shellcheck disable=SC2086
	"$ISLE" status -z $flags t >"$T/out" || status=$?
	sed -z "s|^\\(. \\)\\{0,1\\}$H/\\{0,1\\}|\\1|" "$T/out" | tr '\0\n' '\n?' | LC_ALL=C sort >"$T/got"
	[ $# = 0 ] || printf '%s\n' "$@" | LC_ALL=C sort >"$T/want"
	[ $# != 0 ] || : >"$T/want"
	diff "$T/want" "$T/got" || fail "expected on the left, got on the right"
	same "$status" $(($# ? 3 : 0)) "exit status"
}

status() {
	"$ISLE" status t || [ $? = 3 ]
}

patch_of() {
	"$ISLE" diff t || [ $? = 3 ]
}

# applies: the patch makes of the host what the isle shows, by patch(1) and by git-apply(1).
applies() {
	local tool
	patch_of >"$T/patch"
	for tool in patch git; do
		rm -rf "$T/tree"
		mkdir -p "$T/tree$T"
		cp -a "$H" "$T/tree$T/"
		cd "$T/tree"
		if [ $tool = patch ]; then
			patch -s -p1 <"$T/patch"
		else
			git init -q . && git apply "$T/patch"
		fi
		find . \( -name '*.rej' -o -name '*.orig' \) -print -exec false {} +
		find "$T/tree$H" -type d -empty -delete
		diff -r --no-dereference "$T/view" "$T/tree$H"
	done
	rm -rf "$T/tree"
	cd "$H"
}

# keep_view: what a program in the isle sees, without what no patch has (directories that are empty, other types).
keep_view='rm -rf "'$T'/view"; cp -a . "'$T'/view"; find "'$T'/view" \( -type d -empty -o -type p -o -type c \) -delete'

# --- nothing

fresh
echo same >same; echo other >other; mkdir dir; echo in >dir/in
inside 'touch same; cat other >>/dev/null; chmod 600 other; chmod 644 other; : >tmp; rm tmp; mkdir d; touch d/x; rm -r d; touch dir/in'
expect ''
expect --times 'm dir/in' 'm same'
has "$(status)" "no changes"
# Not without the host's change since, of which a commit makes a conflict.
sleep 0.02
touch same
expect '' 'm same'
has "$(status)" "changed on the host since"

# --- files

fresh
echo a >modified; seq 30 >lines; echo gone >deleted; echo k >mode; echo -n x >nonl; : >empty; ln -s here link; seq 5 >"sp ace"
seq 3 >$'new\nline'; echo t >to_link; mkdir some; echo d >some/file; echo e >back; touch -d 2001-01-01 back; cp /bin/true binary
inside "echo b >>modified; sed -i 's/^7$/seven/; s/^25$/x/' lines; rm deleted; chmod 755 mode; echo -n xy >nonl; rm empty
	ln -sfn there link; echo 6 >>'sp ace'; echo 4 >>\$'new\nline'; rm to_link; ln -s modified to_link; echo 1 >new; : >new_empty
	echo -n q >new_nonl; echo f >back; touch -d 2001-01-01 back; mkfifo fifo; rm -r some; echo s >some; mkdir -p new_dir/sub
	echo in >new_dir/sub/file
	$keep_view; rm '$T/view/some'; mkdir '$T/view/some'; echo d >'$T/view/some/file'"
expect '' 'M back' 'D deleted' 'D empty' 'A fifo' 'M lines' 'M link' 'm mode' 'M modified' 'A new' 'A new_dir' 'A new_empty' \
	'A new_nonl' 'M new?line' 'M nonl' 'T some' 'M sp ace' 'T to_link'
applies

# --- directories

fresh
mkdir -p replaced/sub gone/deep merged/a perm 'att r'
echo q >replaced/q; echo s >replaced/same; echo x >replaced/sub/x; echo 1 >gone/1; echo 2 >gone/deep/2; echo f >to_dir
echo z >merged/a/z
inside "cp -a replaced/same '$T/same'; rm -r replaced gone to_dir; mkdir replaced to_dir; cp -a '$T/same' replaced/same
	echo n >replaced/n; echo i >to_dir/i; echo z2 >merged/a/z; chmod 700 perm; setfattr -n user.k -v w 'att r'; mkdir -p new/er
	echo 1 >new/er/1; mkdir empty; $keep_view; rm -r '$T/view/to_dir'; echo f >'$T/view/to_dir'"
expect '' 'm att r' 'A empty' 'D gone' 'M merged/a/z' 'A new' 'm perm' 'A replaced/n' 'D replaced/q' 'D replaced/sub' \
	'T to_dir'
expect --all 'm att r' 'A empty' 'D gone' 'D gone/1' 'D gone/deep' 'D gone/deep/2' 'M merged/a/z' 'A new' 'A new/er' \
	'A new/er/1' 'm perm' 'A replaced/n' 'D replaced/q' 'D replaced/sub' 'D replaced/sub/x' 'T to_dir' 'A to_dir/i'
has "$(status)" "gone/  (3 entries, 4 B)"
has "$(status)" "new/  (2 entries, 2 B)"
applies
has "$(cat "$T/patch")" 'xattr user.k "w"'
has "$(cat "$T/patch")" 'mode 0755 -> 0700'

# --- renames

fresh
mkdir -p dir/in into; echo 1 >plain; echo 2 >dir/in/f; echo 3 >edited; echo keep >dir/keep; echo 5 >to_into
inside "mv plain plain2; mkdir new; mv to_into new/x; mv edited edited2; echo more >>edited2; $keep_view"
if [ $mode = root ]; then
	expect '' 'R plain2' plain 'A new' 'R new/x' to_into 'R edited2' edited
else
	expect '' 'R plain2' plain 'A new' 'D to_into' 'A edited2' 'D edited'
fi
applies

if [ $mode = root ]; then
	fresh
	mkdir -p dir/in/deep taken swap_a swap_b again up gone/keep
	echo 1 >dir/f; echo 2 >dir/in/deep/g; echo 3 >dir/in/deep/h; echo a >swap_a/a; echo b >swap_b/b; echo o >again/o; echo t >taken/t
	echo k >gone/keep/k
	mkdir 'with link'; ln -s nowhere 'with link/l'; echo w >'with link/w'; ln -s x link
	inside "mv dir moved; echo n >moved/n; rm moved/f; mv moved/in moved/inner; echo more >>moved/inner/deep/g
		mv swap_a s; mv swap_b swap_a; mv s swap_b; mv again again.old; mkdir again; echo new >again/new; rm taken/t; mv -T up taken
		mv gone/keep kept; rm -r gone; mkdir box; mv moved/inner/deep box/deep; mv 'with link' linked; mv link link2; $keep_view"
	expect '' 'R moved' dir 'A moved/n' 'D moved/f' 'R moved/inner' dir/in 'M box/deep/g' 'R box/deep' dir/in/deep 'A box' \
		'R swap_a' swap_b 'R swap_b' swap_a 'R again.old' again 'A again' 'D taken' 'R taken' up 'D gone' 'R kept' gone/keep 'R linked' 'with link' 'R link2' link
	applies
	# Renamed and back again is nothing.
	fresh
	mkdir -p a/b; echo 1 >a/b/c
	inside 'mv a x; mv x a; mv a/b a/y; mv a/y a/b; mv a/b/c a/c; mv a/c a/b/c'
	expect ''
	# metacopy: the metadata alone were copied up; a file renamed onto another takes its data along
	fresh
	echo big >f; echo on >onto; echo src >src; ln f f2; echo x >y
	inside 'chmod 600 f; mv src onto; chown 1:1 y; mv y z'
	expect '' 'm f' 'M onto' 'D src' 'R z' y
	has "$(patch_of)" "+src"
	has "$(patch_of)" "owner root(0):root(0) -> daemon(1):daemon(1)"
	# Whiteouts that are plain files (Linux 6.7), as mkfs.erofs and containers make them.
	fresh
	mkdir d; echo 1 >d/f; echo 2 >d/g; mkdir "$layer/upper/d"
	setfattr -n trusted.overlay.opaque -v x "$layer/upper/d"
	: >"$layer/upper/d/f"
	setfattr -n trusted.overlay.whiteout "$layer/upper/d/f"
	: >"$layer/upper/stray"
	setfattr -n trusted.overlay.whiteout "$layer/upper/stray"
	expect '' 'D d/f' 'A stray'
fi

# --- metadata in words, and the JSON

if [ $mode = root ]; then
	need setfacl setcap
	fresh
	echo 1 >acl; echo 2 >caps; echo 3 >owner; mkdir default; seq 3 >text
	inside 'setfacl -m u:1:rw acl; setcap cap_net_raw,cap_sys_admin+ep caps; chown 1:2 owner; chmod 4755 owner
		setfacl -d -m g:2:rx default; echo 4 >>text; ln -s t sym'
	patch=$(patch_of)
	has "$patch" 'acl user::rw-,user:daemon(1):rw-,group::r--,mask::rw-,other::r--'
	has "$patch" 'default acl user::rwx,group::r-x,group:bin(2):r-x,mask::r-x,other::r-x'
	has "$patch" 'capabilities cap_net_raw,cap_sys_admin=ep'
	has "$patch" 'owner root(0):root(0) -> daemon(1):bin(2)'
	has "$patch" 'mode 0644 -> 4755'
	has "$(status)" '/caps  capabilities  [caps]'
	{ "$ISLE" status --json t || [ $? = 3 ]; } | python3 -c '
import json, re, sys
d = json.load(sys.stdin)
assert d["version"] == 1 and d["isle"] == "t"
c = {x["path"].rsplit("/", 1)[1]: x for x in d["changes"]}
assert c["text"]["kind"] == "modify" and c["text"]["type"] == "file" and c["text"]["content"] is True
assert c["text"]["lines"] == {"added": 1, "removed": 0} and c["text"]["marks"] == []
assert c["text"]["before"]["size"] == 6 and c["text"]["after"]["size"] == 8
assert c["owner"]["kind"] == "metadata" and c["owner"]["content"] is False and "lines" not in c["owner"]
assert c["owner"]["after"]["mode"] == "4755" and c["owner"]["after"]["uid"] == 1 and c["owner"]["marks"] == ["setuid", "owner"]
assert c["sym"]["before"] is None and c["sym"]["type"] == "symlink" and c["sym"]["after"]["target"] == "t"
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", c["text"]["after"]["mtime"])
assert d["summary"] == {"create": 1, "modify": 1, "delete": 0, "rename": 0, "replace": 0, "metadata": 4, "bytes": 8}, d["summary"]'
fi

# --- marks

fresh
mkdir -p .git/hooks .ssh bin
inside 'echo x >.git/hooks/pre-commit; : >.git/hooks/x.sample; echo k >.ssh/authorized_keys; echo e >.envrc; mkdir -p deep/.vscode
	echo {} >deep/.vscode/tasks.json; cp /bin/true bin/suid; chmod 4755 bin/suid; ln -s /x .config; echo l >lib.pyc'
has "$(status)" "/deep/.vscode/tasks.json  [autostart]"
has "$(status)" "authorized_keys  [credential]"
has "$(status)" "/bin/suid  [setuid]"
has "$(status)" "lib.pyc  [bytecode]"
has "$(status)" "6 flagged"
hasnt "$(status | grep sample)" "["

# --- what the host did meanwhile

fresh
echo 1 >changed; echo 2 >deleted; echo 3 >quiet; mkdir dir sub; echo 4 >dir/f; echo 5 >sub/old; echo 6 >whiteout
inside 'echo i >>changed; echo i >>deleted; echo i >>quiet; echo i >both; rm -r sub; rm whiteout; mkdir made'
sleep 0.02
echo h >>changed; rm deleted; echo h >both; echo h >>sub/old; echo h >>whiteout; echo h >dir/g
has "$(status)" "/changed  (changed on the host since)"
has "$(status)" "/deleted  (deleted on the host since)"
has "$(status)" "/both  (made or replaced on the host, too)"
has "$(status)" "/sub/  (1 entry, 4 B)  (changed on the host since)"
has "$(status)" "/whiteout  (changed on the host since)"
hasnt "$(status | grep -v quiet)" "quiet"
hasnt "$(status | grep quiet)" "since"
expect '' 'A both' 'M changed' 'M deleted' 'A made' 'M quiet' 'D sub' 'D whiteout'

# A further name of a file is new, whatever else the host does in the directory; of one that the host has deleted it stands for that.
fresh
echo 1 >linked; echo 2 >deleted
inside 'ln linked linked-too; ln deleted deleted-too; echo i >>deleted'
sleep 0.02
echo h >other; rm deleted
expect '' 'A linked-too' 'M deleted' 'M deleted-too'
has "$(status | grep deleted-too)" "(deleted on the host since)"
hasnt "$(status | grep linked-too)" "since"

# --- hostile

fresh
echo 1 >plain
inside 'truncate -s 1T sparse; mkfifo fifo; ln -s loop loop; printf "\033]0;x\007\n" >esc; echo 1 >$'"'"'\033[31mred'"'"'
	echo b >$'"'"'bad\xff\xfe'"'"'; echo 2 >$'"'"'\xe2\x80\xaertl'"'"'; yes x | head -c 300000 >many
	d=.; for i in $(seq 120); do mkdir -p $d/$(printf %0200d $i); d=$d/$(printf %0200d $i); [ ${#d} -lt 3500 ] || { cd $d; d=.; }; done'
timeout 20 "$ISLE" status --all t >"$T/out" || [ $? = 3 ]
hasnt "$(cat "$T/out")" $'\033'
has "$(cat "$T/out")" '\033[31mred'
has "$(status)" "(119 entries"
timeout 20 "$ISLE" diff t >"$T/out" || [ $? = 3 ]
has "$(cat "$T/out")" "too large"
timeout 20 script -qec "'$ISLE' diff t '$H/esc'" /dev/null </dev/null >"$T/out" || true
has "$(cat "$T/out")" '\033]0;x\a'
{ timeout 20 "$ISLE" status --json t || [ $? = 3 ]; } | python3 -c 'import json, sys; d = json.load(sys.stdin); assert any("path_b64" in c for c in d["changes"])'

# --- random texts: the patch of all of them makes the second of the first

fresh
python3 - "$H" "$layer/upper" <<'PY'
import os, random, sys
random.seed(20240229)
host, upper = sys.argv[1:]
kinds = [b"", b"a", b"b", b"-x", b"+y", b" z", b"@@ -1,1 +1,1 @@", b"\\ No newline at end of file", b"--- a/x", b"+++ b/x",
         b"diff --git a/x b/x", b"\xff\xfe", b"c\r", b"\x1b[31m", b"rename from x", b"# x", b"*** 1,2 ****", b"1c1"]
for i in range(200):
    few = random.sample(kinds, random.randint(1, len(kinds)))
    a = [random.choice(few) for _ in range(random.randint(0, 40))]
    b = [line for line in a if random.random() > 0.2]
    for _ in range(random.randint(0, 6)):
        b.insert(random.randint(0, len(b)), random.choice(few))
    for place, lines in (host, a), (upper, b):
        data = b"\n".join(lines) + (b"\n" if lines and random.random() > 0.3 else b"")
        with open(os.path.join(place, "f%d" % i), "wb") as f:
            f.write(data)
PY
rm -rf "$T/view"
cp -a "$layer/upper" "$T/view"
# Deleting all of a file's lines deletes the file for patch(1), which an empty file is not.
applies_random() {
	find "$T/view" "$H" -type f -empty -delete
	patch_of >"$T/patch"
	rm -rf "$T/tree"
	mkdir -p "$T/tree$T"
	cp -a "$H" "$T/tree$T/"
	(cd "$T/tree" && "$@" <"$T/patch")
	diff -r "$T/view" "$T/tree$H"
}
find "$layer/upper" "$H" -type f -empty -printf '%f\n' | while read -r f; do rm -f "$layer/upper/$f" "$H/$f" "$T/view/$f"; done
applies_random patch -s -p1 --binary
applies_random sh -c 'git init -q . && git apply --whitespace=nowarn'
