# lib.sh - makes the checker of the lock's model, and searches with it; sourced by tests/groups/model
#
# Expects tests/lib.sh, $model (this folder) and $work (a scratch folder).

# make_table SOURCES OUT - table.c with the enclave/lockstate.c below SOURCES
make_table()
{
	gcc -std=gnu11 -Wall -Wextra -Werror -I"$1" -o "$2" "$model/table.c" "$1/enclave/lockstate.c"
}

# make_checker - $work/safety and $work/ends, with all that they are made of
make_checker()
{
	local options=(-O2 -w -DNOREDUCE -DBITSTATE -DVECTORSZ=256 -DMEMLIM=6000)

	make_table "$top" "$work/table"
	cp "$model"/*.h "$model"/vault.pml "$work/"
	"$work/table" names >"$work/names.pml"
	"$work/table" cells >"$work/cells.h"
	"$work/table" mutants >"$work/mutants"
	# The order in which the keeper carries actions out.
	sed -n '/} actions\[\] = {/,/};/s/.*{ \(ACT_[A-Z_]*\),.*/\1,/p' "$top/enclave/keeper.c" >"$work/order.h"
	cd "$work"
	spin -a vault.pml >spin.log 2>&1 || { cat spin.log; fail "spin does not take vault.pml"; }
	gcc "${options[@]}" -DSAFETY -DNOCLAIM -o safety pan.c
	gcc "${options[@]}" -DNFAIR=3 -o ends pan.c
}

# search "RUN REQUESTS DEATHS" [VARIABLE=VALUE...] - what the checker says, in $work/out; fails when it
# found a fault. The trail of that stays in a folder of its own until the next search.
search()
{
	local run requests deaths checker=("$work/safety")

	read -r run requests deaths <<<"$1"
	shift
	[ "$run" != ENDS ] || checker=("$work/ends" -a -f)
	cd "$work"
	rm -f -- *.trail
	env "$@" TAZ_RUN="$run" TAZ_REQUESTS="$requests" TAZ_DEATHS="$deaths" \
		"${checker[@]}" -m100000 -w29 >out 2>&1 || fail "the checker ended with $?: $(tail -n 5 out)"
	# Half a search proves nothing.
	if grep -q 'Search not completed\|search depth too small\|out of memory' out && ! grep -q '^pan:1:' out; then
		cat out
		fail "not searched to the end: $run $requests $deaths"
	fi
	grep -q "states, stored" out || fail "$(cat out)"
	! grep -q '^pan:1:' out
}

# tell SEARCH [VARIABLE=VALUE...] - the story of the fault that search has just found
tell()
{
	local run requests deaths checker=safety

	read -r run requests deaths <<<"$1"
	shift
	[ "$run" != ENDS ] || checker=ends
	grep -a '^pan:1:' "$work/out"
	(cd "$work" && env "$@" TAZ_RUN="$run" TAZ_REQUESTS="$requests" TAZ_DEATHS="$deaths" "./$checker" -r 2>&1) |
		grep -a '^| \|CYCLE' | tail -n 80
}

# figure NAME - the number before NAME in what the checker said
figure() { awk -v what="$1" '$0 ~ what { printf "%.0f\n", $1; exit }' "$work/out"; }

# holds SEARCH - nothing is found, and what was searched is printed
holds()
{
	search "$1" || { tell "$1"; fail "the model has a fault"; }
	figure 'states, stored' >>"$work/states"
	figure 'transitions' >>"$work/transitions"
	echo "# model: $1: $(figure 'states, stored') states, $(figure transitions) transitions," \
		"$(sed -n 's/.*elapsed time \([0-9.]*\) seconds/\1/p' "$work/out") s"
}

# properties - how many: the assertions, that nothing waits for ever in the middle of a step, and the LTL one
properties() { echo $(($(grep -o 'assert(' "$model/vault.pml" | wc -l) + 1 + $(grep -c '^ltl ' "$model/vault.pml"))); }

# how_known WHAT - the search that notices it, "harmless: WHY", or nothing: a line of tests/model/mutants
how_known() { awk -F' \\| ' -v what="$1" '$2 == what { print $1; exit }' "$model/mutants"; }

# tried WHAT VARIABLE=VALUE - look for it
tried()
{
	local what=$1 setting=$2 how

	how=$(how_known "$what")
	case $how in
	'') fail "$what: not in tests/model/mutants, which says what notices it" ;;
	harmless:*) return 0 ;;
	open:*) # known not to be noticed
		echo 1 >>"$work/tried"
		return 0
		;;
	full:*)
		[ "${TAZ_FULL:-0}" = 1 ] || return 0
		how=${how#full: }
		;;
	esac
	echo 1 >>"$work/tried"
	if search "$how" "$setting"; then
		echo "not noticed by $how: $what"
		return 1
	fi
	echo 1 >>"$work/noticed"
}

# none_is_stale PREFIX NAMES - what the list says is about something that is there
none_is_stale()
{
	local stale

	stale=$(comm -13 <(sort "$2") <(awk -F' \\| ' '!/^#/ { print $2 }' "$model/mutants" | grep -E -e "$1" | sort))
	[ -z "$stale" ] || fail "tests/model/mutants lists what there is not: $stale"
}

changes_of_the_table_are_noticed()
{
	local cell what missed=0

	cut -d: -f2- "$work/mutants" >"$work/names"
	none_is_stale '--.*-->' "$work/names"
	while IFS=: read -r cell what; do
		tried "$what" "TAZ_MUTANT=$cell" || missed=$((missed + 1))
	done <"$work/mutants"
	[ "$missed" -eq 0 ]
}

repairs_and_cares_are_missed()
{
	local what number missed=0

	awk '/^#define (REPAIR|CARE)_/ { print $2, $3 }' "$model/switches.h" >"$work/switches"
	cut -d' ' -f1 "$work/switches" >"$work/names"
	none_is_stale '^(REPAIR|CARE)_' "$work/names"
	while read -r what number; do
		tried "$what" "TAZ_WITHOUT=$number" || missed=$((missed + 1))
	done <"$work/switches"
	[ "$missed" -eq 0 ]
}
