#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The man pages tell of every verb and of every option, with its letter and whether it takes an argument, and of no other.
# On a page "# ISLE VERB" starts the section of a verb, and each option there has a line that starts with it; or the section says
# that it takes "the options of *isle OTHER*".
. "$(dirname "$0")/../lib.sh"
man=$(dirname "$0")/../../doc/man

# VERB OPTION LETTER TAKES-AN-ARGUMENT, from the tables
isle completions table | awk -F '\t' '$2 { print $1, $2, $3 == "" ? "-" : $3, $4 != "" ? "argument" : "-" }' |
	LC_ALL=C sort >"$T/tables"
[ -s "$T/tables" ] || fail "the tables are empty"

cat "$man"/*.1.scd | awk '
	/^# / { verb = $2 == "ISLE" ? tolower($3) : "" }
	verb && match($0, /the options of \*isle [a-z]+\*/) {
		split(substr($0, RSTART, RLENGTH), words, /[ *]+/)
		same_as[verb] = words[5]
	}
	verb && /^\*-/ {
		letter = $0 ~ /^\*-[a-zA-Z]\*,/ ? substr($0, 3, 1) : "-"
		option = $0
		sub(/^\*-[a-zA-Z]\*, /, "", option)
		argument = option ~ /_/ ? "argument" : "-"
		sub(/^\*--/, "", option)
		sub(/[*\[=].*/, "", option)
		options[verb] = options[verb] option " " letter " " argument "\n"
		same_as[verb] = verb
	}
	END {
		for (verb in same_as) {
			count = split(options[same_as[verb]], lines, "\n")
			for (i = 1; i < count; i++) print verb, lines[i]
		}
	}' | LC_ALL=C sort >"$T/pages"
diff -u "$T/tables" "$T/pages" >&2 || fail "the option tables (-) and the man pages (+) differ"

# isle-config(5) tells of every key, and of no other.
grep -oP '^\*\K[a-z]+\.[a-z-]+(?=\* = )' "$man/isle-config.5.scd" | LC_ALL=C sort >"$T/pages"
isle completions keys >"$T/keys"
[ -s "$T/keys" ] || fail "there are no keys"
diff -u "$T/keys" "$T/pages" >&2 || fail "the keys of the configuration (-) and isle-config(5) (+) differ"

for verb in $(isle completions table | cut -f 1 | sort -u); do
	grep -q "\*isle $verb\*" "$man/isle.1.scd" || fail "isle(1) does not mention isle $verb"
	page=$(grep -l "^# ISLE ${verb^^}\$" "$man"/*.scd) || fail "no page has a section ISLE ${verb^^}"
	[ -f "$man/isle-$verb.1.scd" ] || grep -q "'isle-$verb'" "$man/../meson.build" || fail "there is no isle-$verb.1"
	sed -n '/^# NAME/,/^# SYN/p' "$page" | grep -qw "isle-$verb" || fail "$page does not name isle-$verb"
	sed -n '/^# SYNOPSIS/,/^# DESC/p' "$page" | grep -q "\*isle $verb\*" || fail "$page has no synopsis of isle $verb"
done
