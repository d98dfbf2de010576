# ends.sh - a session ends with its terminal, on any engine; sourced by vm.test and docker.guest
#
# The caller has inside() and locked(), and has changed into the workspace; ENGINE is the engine's name, TAZ
# is tazlaunch, TERMINAL tests/terminal.c. The workshop is called "ends".

begin_ends()
{
	chmod a+rwx .
	rm -f open hung-up tick
	# One that notes its SIGHUP, and one that won't hear of it: it may live on, but ticks only while it can read.
	cat >session <<-'END'
	sh -c 'trap "touch /workspace/hung-up; exit" HUP; touch /workspace/open; while :; do sleep 0.1; done' &
	sh -c 'trap "" HUP; while :; do cat ~/secrets/file >/dev/null 2>&1 && echo >>/workspace/tick; sleep 0.1; done' &
	wait
	END
	chmod a+r session
	"$TAZ" --engine "$ENGINE" --name ends up
	[ -s "$TAZ_STATE/ends/vault/vault.luks" ] || inside --name ends --create -- sh -c 'echo kept >~/secrets/file'
	within 10 locked ends
}

# kill_and_look PID - what holds the session is killed; SIGHUP comes, and in two seconds nothing of it can read
kill_and_look()
{
	local over_ns size

	within 60 test -e open
	within 5 test -s tick
	over_ns=$(($(date +%s%N) + 2000000000)) # within() has an "end" of its own
	kill -KILL "$1"
	wait "$1" || :
	over() { [ "$(date +%s%N)" -ge "$over_ns" ]; }
	within 3 over
	size=$(stat -c %s tick)
	[ -e hung-up ] || fail 'no SIGHUP in two seconds'
	sleep 1
	[ "$(stat -c %s tick)" = "$size" ] || fail 'a program of the session still reads'
	within 10 locked ends
}

test_a_killed_tazlaunch_ends_its_session_within_two_seconds()
{
	begin_ends
	printf %s "$PASS" | "$TAZ" --name ends run --passphrase-fd 0 -- sh /workspace/session &
	kill_and_look $!
	"$TAZ" --name ends down
}

test_a_closed_terminal_ends_its_session_within_two_seconds()
{
	begin_ends
	# Killed, it closes the only master: tazlaunch gets its SIGHUP from the kernel.
	"$TERMINAL" 'assphrase: ' "$PASS\\r" $'\e[?2004h' 'sh /workspace/session\r' 'never shown' '' \
		-- "$TAZ" --name ends enter >screen &
	kill_and_look $!
	"$TAZ" --name ends down
}
