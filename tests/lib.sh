# lib.sh - what the groups of tests share; sourced
#
# A test is a function whose name is a sentence, test_the_last_exit_locks. It passes when every
# command in it does; it calls skip WHY when the machine cannot run it.
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$tests")
. "$top/images/cache.sh"
# What only the makers' own servers have: tests need no more of the network than Debian and npm.
export TAZ_WITHOUT=infisical,sops,helm,k9s,talosctl

# check NAME COMMAND... - one test that is one command; its output is shown when it fails, and when it
# passes the lines that begin with "# ". One that has not ended after TAZ_TEST_SECONDS is killed.
check()
{
	local name=$1 log status=0 start=$SECONDS limit shell=$BASHPID
	shift
	log=$(mktemp)
	exec {limit}> >(bounded "$shell" "$log")
	# A subshell with errexit of its own: in "if f" or "f || x" bash would ignore it inside f.
	set +e
	(exec {limit}>&-; set -e; "$@") >>"$log" 2>&1 </dev/null
	status=$?
	set -e
	exec {limit}>&-
	case $status in
	0)
		echo "ok - $name ($((SECONDS - start)) s)"
		grep '^# ' "$log" || : # what it measured
		;;
	77) echo "skip - $name: $(tail -n 1 "$log")" ;;
	*)
		echo "not ok - $name (status $status)"
		tail -n "${TAZ_LOG_LINES:-60}" "$log" | sed 's/^/#   /'
		failures=$((failures + 1))
		;;
	esac
	rm -f -- "$log"
}
: "${TAZ_TEST_SECONDS:=$([ "${TAZ_FULL:-0}" = 1 ] && echo 3600 || echo 300)}"

# bounded SHELL LOG - unless standard input is closed in time: what the test was about, and its end
bounded()
{
	local pids status=0 self=$BASHPID

	exec >/dev/null
	read -rt "$TAZ_TEST_SECONDS" || status=$?
	[ "$status" -gt 128 ] || return 0
	mapfile -t pids < <(descendants "$1" "$self")
	{
		echo "failed: no end after $TAZ_TEST_SECONDS s; what ran:"
		ps -o pid,ppid,stat,wchan:20,etimes,args -p "$(IFS=,; echo "${pids[*]}")" || :
	} >>"$2" 2>&1
	kill -KILL "${pids[@]}" 2>/dev/null || :
}

# descendants PID EXCEPT - all of them, the one and its own left out
descendants()
{
	local pid

	for pid in $(pgrep -P "$1" || :); do
		[ "$pid" != "$2" ] || continue
		echo "$pid"
		descendants "$pid" "$2"
	done
}
failures=0

skip() { echo "$*"; exit 77; }

# fail TEXT - end a test with the reason
fail() { echo "failed: $*" >&2; exit 1; }

# refused COMMAND... - it must end with an error; what it prints goes on to our standard output. 124 is
# that of who waited for it in vain (timeout(1), tests/terminal.c).
refused()
{
	local status=0

	"$@" || status=$?
	[ "$status" -ne 0 ] || fail "this was allowed: $*"
	[ "$status" -ne 124 ] || fail "this did not end: $*"
}

# prints TEXT COMMAND... - its standard output is that
prints()
{
	local want=$1 got
	shift

	got=$("$@")
	[ "$got" = "$want" ] || fail "$* printed '$got' and not '$want'"
}

# lacks FILE GREP-ARGUMENT... - grep looked into it and found nothing: a file that is missing proves nothing
lacks()
{
	local file=$1 status=0
	shift

	grep "$@" -- "$file" || status=$?
	[ "$status" -eq 1 ] || fail "found in $file, or not looked for: grep $* ended with $status"
}

# within SEC COMMAND... - it must come true in that time
within()
{
	local sec=$1 end
	shift
	end=$(($(date +%s%N) + sec * 1000000000))
	until "$@"; do
		[ "$(date +%s%N)" -lt $end ] || fail "not within $sec s: $*"
		sleep 0.1
	done
}

# machine_slot - wait until fewer than TAZ_MACHINES (2) test machines run here; ours counts until we end
#
# Each emulated machine keeps two processors busy: with more of them every bound inside would lie.
# TAZ_SLOT=held: a caller that starts one machine after another has taken one for all of them.
machine_slot()
{
	local n got='' fds=() pids=()

	[ "${TAZ_SLOT:-}" != held ] || return 0
	# In the kernel's queue of each of them: who waits longest is the next, however busy it is. A lock is
	# the open file's: it stays ours when the flock(1) that waited for it has ended.
	for n in $(seq "${TAZ_MACHINES:-2}"); do
		exec {slot}>"$(cache_dir)/machine-$n.lock"
		flock "$slot" &
		fds+=("$slot") pids+=($!)
	done
	wait -n "${pids[@]}" || :
	for n in "${!fds[@]}"; do
		slot=${fds[$n]}
		if [ -z "$got" ] && flock -n "$slot"; then got=$slot; continue; fi
		# Not by TERM: before it has become flock it is this shell, and would run its traps: the caller's cleanup.
		kill -KILL "${pids[$n]}" 2>/dev/null && wait "${pids[$n]}" 2>/dev/null || :
		exec {slot}>&-
	done
	slot=${got:?no lock for a test machine}
}

# in_background COMMAND... - start it, its output kept; background_ends shows the outputs in the order
# of the starts, each when it is whole, and fails when one of them did
in_background()
{
	local out

	out=$(mktemp)
	# A command in the background ignores SIGINT: an interrupt reaches it from here.
	trap 'background_kill; exit 130' INT
	trap 'background_kill; exit 143' TERM
	"$@" >"$out" 2>&1 &
	background_pids+=($!) background_outs+=("$out")
}
background_pids=() background_outs=()

background_kill()
{
	kill -TERM "${background_pids[@]}" 2>/dev/null || :
	wait "${background_pids[@]}" || :
	rm -f -- "${background_outs[@]}"
}

background_ends()
{
	local i status=0

	for i in "${!background_pids[@]}"; do
		wait "${background_pids[$i]}" || status=1
		cat "${background_outs[$i]}"
		rm -f -- "${background_outs[$i]}"
	done
	background_pids=() background_outs=()
	return "$status"
}

# run_tests PREFIX [PATTERN] - the test_* functions that have PATTERN in their name: those of the calling file
# in its order, then those of what it sources; fails when one of them did, and when there is none
run_tests()
{
	local prefix=$1 pattern=${2:-} name line names ran=0

	# extdebug makes declare -F tell the line and the file of each.
	mapfile -t names < <(shopt -s extdebug; declare -F | awk '$3 ~ /^test_/ { print $3 }' |
		while read -r name; do declare -F "$name"; done |
		awk -v own="$0" '{ print ($3 != own), $2, $1 }' | sort -k1n -k2n | cut -d' ' -f3)
	for name in "${names[@]}"; do
		[[ $name == *"$pattern"* ]] || continue
		line=${name#test_}
		check "$prefix: ${line//_/ }" "$name"
		ran=1
	done
	[ "$ran" = 1 ] || echo "no test of $0 has $pattern in its name" >&2
	[ "$ran" = 1 ] && [ "$failures" -eq 0 ]
}
