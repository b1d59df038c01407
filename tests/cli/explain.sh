#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle explain: of a change who made it, under which names, what it had read, what a commit would do; of a path that was read
# who read it and whether the host moved on; directories, refusals, unknown paths. The logs are written here.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3 patch

for make_log in "$(dirname "$ISLE")/make_log" "$(dirname "$ISLE")/../../tests/helpers/make_log"; do
	[ ! -x "$make_log" ] || break
done
[ -x "$make_log" ] || fail "the program that writes logs is not there: $make_log"

json() {
	python3 -c "import json, sys
d = json.load(sys.stdin)
print(($1))"
}

H=$T/home
mkdir -p "$H/.ssh" "$H/old"
cd "$H"
for file in f g .bashrc gone .ssh/id_rsa old/inside; do echo "$file" >"$H/$file"; done

isle run -q -n e -- sh -c 'echo 1 >f.tmp; mv f.tmp f; echo x >>.bashrc; rm gone; mkdir part; echo a >part/a; mv part new; echo b >new/b'
rm -rf "$ISLE_HOME/isles/$(basename "$(readlink "$ISLE_HOME/names/e")")/events"
# Without a log, what a commit would do is known all the same.
has "$(isle explain e f)" "$H/f: modified, file"
has "$(isle explain e f)" "changed by   not recorded"
has "$(isle explain e f)" "commit       would replace the host's"

tr '|' '\t' <<LOG | "$make_log" e
run|0|$H|sh|install.sh
start|1|0|4711|0
exec|1|/usr/bin/sh|$H|sh|install.sh
read|1|1|$H/g
read|1|1|/usr/bin/sh
start|2|1|4712|0
start|3|2|4713|0
exec|3|/usr/bin/sed|$H|sed|-i|s/a/b/|f
read|3|1|$H/f
read|3|1|$H/.ssh/id_rsa
kept|3|$H/f
write|3|4|$H/f.tmp
write|3|7|$H/f.tmp|$H/f
read|3|1|$H/old/inside
write|1|3|$H/.bashrc
write|1|6|$H/gone
write|1|5|$H/part
write|1|4|$H/part/a
write|1|7|$H/part|$H/new
write|3|4|$H/new/b
refused|3|1|unlink $H/g|wall landlock
refused|3|1|unlink $H/gg|wall landlock
note|3|1|$H/f|
end|0
LOG

# A file that came to its place by a rename: the first write, what was read until then (not what later), the base.
text=$(isle explain e f)
has "$text" "changed by   sed (4713) in run 1"
has "$text" "create, as $H/f.tmp"
has "$text" "sed -i s/a/b/ f  (in $H)"
has "$text" "started by: sh (4711)"
has "$text" "rename of $H/f.tmp"
has "$text" "had read     $H/.ssh/id_rsa  (ssh key)"
has "$text" "$H/g  by sh (4711)"
has "$text" "1 of the system"
hasnt "$text" "old/inside"
has "$text" "base         the host's old content was kept, 2 B"
has "$text" "note         $H/f: other names on the host keep the old content"
isle explain e f --json >"$T/json"
same "$(json 'd["version"], d["known"], d["change"]["kind"], d["base"], d["changed_since_read"]' <"$T/json")" \
	"(1, True, 'modify', {'kept': True, 'size': 2}, False)"
same "$(json '[(w["how"], w["process"]) for w in d["writes"]], [p["pid"] for p in d["processes"]]' <"$T/json")" \
	"([('create', 3), ('rename', 3)], [4713, 4712, 4711])"
same "$(json '[r["path"] for r in d["read_before"]]' <"$T/json")" "['$H/.ssh/id_rsa', '$H/g', '$H/f']"
same "$(json 'd["commit"]' <"$T/json")" "{'conflicts': [], 'flagged': [], 'notes': []}"

has "$(isle explain e .bashrc)" "changed by   sh (4711)"
has "$(isle explain e "$H/.bashrc")" "needs --allow=autostart"
has "$(isle explain e gone)" "commit       would delete the host's"

# In a directory that was renamed after it was written.
has "$(isle explain e new/a)" "create, as $H/part/a"
has "$(isle explain e new/a)" "pulled in: $H/new"
has "$(isle explain e new/b)" "changed by   sed (4713)"
text=$(isle explain e new)
has "$text" "$H/new: new, directory"
has "$text" "mkdir, as $H/part"
has "$text" "below it     2 new"
has "$text" "written by   sh (1), sed (1)"
text=$(isle explain e "$H")
has "$text" "; 1 flagged"

# Only read; then the host moves on.
text=$(isle explain e g)
has "$text" "$H/g: not changed"
has "$text" "read by      sh (4711) in run 1"
has "$text" "has not changed it since"
has "$text" "refused      unlink $H/g: Operation not permitted: wall landlock, for sed (4713)"
hasnt "$text" "$H/gg"
echo more >>g
has "$(isle explain e g)" "has changed it since it was read"
same "$(isle explain --json e g | json 'd["changed_since_read"], d["change"], d["commit"]')" "(True, None, None)"
echo more >>f
has "$(isle explain e f)" "conflict: $H/f"
has "$(isle explain e f)" "would do nothing: the host has changed"
same "$(isle explain --json e f | json 'len(d["commit"]["conflicts"])')" 2

# Unknown.
status_is 1 isle explain e "$H/.bashr" >"$T/out"
has "$(cat "$T/out")" "neither changed it"
has "$(cat "$T/out")" "near it      $H/.bashrc"
status_is 1 isle explain e /elsewhere/inside >"$T/out"
has "$(cat "$T/out")" "near it      $H/old/inside"
status_is 1 isle explain --json e /nothing-like-it >"$T/json"
same "$(json 'd["known"], d["near"]' <"$T/json")" "(False, [])"
status_is 2 isle explain e 2>/dev/null
status_is 2 isle explain e f g 2>/dev/null
same "$(isle explain "$H/gone" | head -n 1)" "$H/gone: deleted, file"

# Notes of the runs stand beside the changes.
echo 1 >linked
ln linked other
isle run -q -n notes -- sh -c 'echo 2 >linked; echo x >own; chmod 444 own'
rm -rf "$ISLE_HOME/isles/$(basename "$(readlink "$ISLE_HOME/names/notes")")/events"
hasnt "$(isle status notes || true)" "owner wanted"
printf 'note\t1\t1\t%s/linked\t\nnote\t1\t2\t%s/own\t12:34\n' "$H" "$H" | "$make_log" notes
has "$(isle status notes || true)" "$H/linked  (1 other name on the host keeps the old content)"
has "$(isle status notes || true)" "$H/own  (owner wanted: 12:34)"
has "$(isle diff notes || true)" "#   1 other name on the host keeps the old content"
has "$(isle diff notes || true)" "#   owner wanted: 12:34"
(isle status --json notes || true) >"$T/json"
same "$(json '[(c.get("links_left"), c.get("owner_wanted")) for c in d["changes"]]' <"$T/json")" "[(1, None), (None, '12:34')]"
(isle diff notes || true) >"$T/patch"
(cd / && patch --dry-run -p1 <"$T/patch" >/dev/null) || fail "the patch does not apply"

# What is about no path has none.
isle run -q --no-track -n blind -- touch blind
has "$(isle explain blind blind)" "not recorded: what 1 of the isle's runs read is not known"
