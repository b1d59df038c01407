#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The completion scripts made from the option tables: the shells accept them, and in bash they offer the right words.
. "$(dirname "$0")/../lib.sh"
need zsh fish

isle completions bash >"$T/isle.bash"
isle completions zsh >"$T/_isle"
isle completions fish >"$T/isle.fish"
bash -n "$T/isle.bash"
zsh -n "$T/_isle"
fish --no-execute "$T/isle.fish"
status_is 2 isle completions tcsh 2>/dev/null

# offers WORD...: what bash would offer for the last of the words.
offers() {
	(
		set +eu
		trap - ERR
		# shellcheck source=/dev/null
		. "$T/isle.bash"
		PATH=$T/bin:$PATH
		COMP_WORDS=(isle "$@")
		COMP_CWORD=$#
		_isle
		echo " ${COMPREPLY[*]} "
	)
}
mkdir "$T/bin"
ln -s "$ISLE" "$T/bin/isle"
touch "$T/some-file"
cd "$T"

has "$(offers '')" " list "
same "$(offers lis)" " list "
has "$(offers list --)" " --json "
same "$(offers list --js)" " --json "
same "$(offers help rena)" " rename "

isle run -q -n completed -- true
same "$(offers rm comp)" " completed "
same "$(offers run -n comp)" " completed "
same "$(offers run --net ho)" " host "
has "$(offers run -n comp -- fals)" " false "
has "$(offers run --write some-)" " some-file "
has "$(offers diff completed some-)" " some-file "
same "$(offers commit --on-conflict ski)" " skip "

# fish and zsh, at least that every verb and option is there.
isle completions table | cut -f 1,2 --output-delimiter=' ' | while read -r verb option; do
	if [ -n "$option" ]; then
		grep -qF -- "from $verb' -l $option " "$T/isle.fish" || fail "fish: no $verb --$option"
		sed -n "/^\t$verb)/,/;;/p" "$T/_isle" | grep -q -- "--$option\b" || fail "zsh: no $verb --$option"
	else
		grep -q -- "-a $verb -d" "$T/isle.fish" || fail "fish: no $verb"
		grep -q "'$verb:" "$T/_isle" || fail "zsh: no $verb"
	fi
done
