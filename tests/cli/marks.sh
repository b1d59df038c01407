#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What gives rights to others is marked and needs a yes; what has them already, or has them from its directory, is not. Names that
# could be taken for more than a name are quoted.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need setfacl python3

D=$T/d
mkdir "$D"
cd "$D" || exit
nobody=$(id -u nobody)

# A user's isle knows no ids but the user's.
acl() {
	if is_root; then "$@"; fi
}

# status_of NAME [OPTION]...: there are changes, which is status 3.
status_of() {
	status_is 3 isle status "${@:2}" "$1" "$D"
}

# As set-up on the host: what was so before.
echo x >was-writable
chmod 666 was-writable
mkdir was-setgid default
chmod 2775 was-setgid
acl setfacl -d -m "u:$nobody:rw" default
echo x >plain
echo x >script
mkdir open

isle run -q -n marks -- sh -c "
	echo more >>was-writable
	echo new >was-setgid/f; mkdir was-setgid/sub
	echo new >default/f; mkdir default/sub
	echo new >ordinary; mkdir directory; ln -s f link
	mkdir -m 1777 sticky
	chmod o+w plain
	chmod 777 open
	cp script setgid-plain; chmod 2644 setgid-plain
	mkdir setgid-dir; chmod 2755 setgid-dir
	[ \$(id -u) -ne 0 ] || setfacl -m u:$nobody:rw script
	setfacl -m u:$(id -u):rw ordinary
	mkdir -p tree/in; echo x >tree/in/f; chmod 666 tree/in/f"
status=$(status_of marks)
echo "$status"
has_mark() {
	grep -F -- "$D/$1" <<<"$status" | grep -q "\[[^]]*$2" || fail "$1 has no mark $2"
}
no_mark() {
	local name
	for name; do
		! grep -E -- "$D/$name/?( |\$)" <<<"$status" | grep -q '\[' || fail "$name is marked: $(grep -F -- "$D/$name" <<<"$status")"
	done
}
no_mark was-writable was-setgid/f was-setgid/sub default/f default/sub ordinary directory link sticky
has_mark plain writable
has_mark open writable
has_mark setgid-plain setgid
has_mark setgid-dir setgid-directory
acl has_mark script acl
has_mark tree writable
has "$(status_of marks --json)" '"setgid-directory"' '"writable"'

# Each needs a yes but the directory's group.
status_is 6 isle commit --yes marks "$D" 2>"$T/err"
has "$(cat "$T/err")" "plain: writable" "setgid-plain: setgid" "--allow=setgid,writable"
acl has "$(cat "$T/err")" "script: acl" "--allow=setgid,writable,acl"
hasnt "$(cat "$T/err")" setgid-dir:
isle commit -q --yes marks "$D/setgid-dir" "$D/ordinary" "$D/sticky" "$D/was-setgid" "$D/default" "$D/was-writable"
same "$(stat -c %a setgid-dir was-setgid/sub sticky | tr '\n' ' ')" "2755 2755 1777 "
status_is 6 isle commit --yes --allow=acl,setgid marks "$D" 2>"$T/err"
isle commit -q --yes --allow=acl,setgid,writable marks "$D"

# Another name of a committed file that nobody asked for.
mkdir asked other
isle run -q -n links -- sh -c 'echo x >asked/f; ln asked/f other/g; echo y >asked/h; ln asked/h asked/i'
isle commit -q --yes links "$D/asked/h" "$D/asked/i"
status_is 6 isle commit --yes links "$D/asked/f" 2>"$T/err"
has "$(cat "$T/err")" "pulled in: $D/other/g" "flagged: $D/other/g: link" "--allow=link"
absent asked/f other/g
status_is 6 isle commit --yes links "$D/asked" 2>/dev/null
isle commit -q --yes --allow=link links "$D/asked/f"
same "$(stat -c %h other/g)" 2
isle run -q -n both -- sh -c 'echo x >asked/both; ln asked/both other/both'
isle commit -q --yes both "$D"

# Owners: root alone can give something away.
if is_root; then
	echo x >given
	echo x >group
	mkdir service
	chown 1234:1234 service
	isle run -q -n owners -- sh -c 'chown 1234 given; chgrp 4321 group; chmod 640 group; echo x >theirs; chown 1234 theirs
		echo x >service/f; chown 1234:1234 service/f; echo y >ours'
	status=$(status_of owners)
	has_mark given owner
	has_mark group owner
	has_mark theirs foreign
	no_mark ours service/f
	status_is 6 isle commit --yes owners "$D" 2>"$T/err"
	has "$(cat "$T/err")" "--allow=owner,"
	isle commit -q --yes owners "$D/theirs" "$D/service" "$D/ours"
	isle commit -q --yes --allow=owner owners "$D"
	same "$(stat -c %u:%g given group theirs | tr '\n' ' ')" "1234:0 0:4321 1234:0 "
fi

# Names.
names=("end " " begin" "a -> b" "a  [setuid]" "a (new)" "a: b" $'no\u00a0break' $'em\u2003space' $'wide\u3000space' $'slash\u2215slash' $'zero\u200bwidth')
# shellcheck disable=SC2016
isle run -q -n names -- sh -c 'for n; do echo x >"$n"; done' sh "${names[@]}"
for output in "$(status_of names)" "$(status_is 3 isle diff names "$D")" "$(isle plan names "$D" 2>&1)" "$(isle check names "$D" 2>&1)"; do
	for name in "end" "a -> b" "a  [setuid]" "a (new)" "a: b"; do
		! grep -E "$name *\$" <<<"$output" | grep -vq '"' || fail "not quoted: $name: $output"
	done
	for hidden in $'\u00a0' $'\u2003' $'\u3000' $'\u2215' $'\u200b'; do
		hasnt "$output" "$hidden"
	done
done
has "$(status_of names)" "\"$D/end \"" "\"$D/a -> b\"" "\"$D/no\\302\\240break\"" "\"$D/slash\\342\\210\\225slash\""
status_of names -z | tr '\0' '\n' >"$T/z"
for name in "${names[@]}"; do
	grep -qxF "A $D/$name" "$T/z" || fail "-z does not tell '$name' as it is"
done
# What the patch says is what patch(1) makes.
if command -v patch >/dev/null; then
	status_is 3 isle diff names "$D" >"$T/patch"
	mkdir "$T/root"
	patch -s -d "$T/root" -p1 <"$T/patch"
	for name in "${names[@]}"; do content "$T/root$D/$name" x; done
fi
isle commit -q --yes names "$D"
for name in "${names[@]}"; do content "$D/$name" x; done
