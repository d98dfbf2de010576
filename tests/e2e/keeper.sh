# keeper.sh - a keeper without a container, in the guest; sourced by *.guest
#
# The guest is root's; taz (uid 1000) owns the vault. Everything is as in a workshop but for the
# container around it, so that a test can look at, and kill, each part by itself.
. /mnt/tests/lib.sh

PASS='correct horse battery'
ASKS='assphrase: ' # how each prompt for one ends
SECRET=/home/taz/secrets
VAULT=/var/lib/taz/vault.luks
LOG=/tmp/keeper.log

install -m 755 /mnt/bin/{enclave,tazfs,hold_socket,hold_files,busy_files,terminal} /usr/bin/
modprobe -a dm_mod dm_crypt dm_zero loop fuse
chmod 755 /home /home/taz
mkdir -p /var/lib/taz

answers() { enclave status >/dev/null 2>&1; }

# clear_away - what a test that failed has left behind must not fail those after it
clear_away()
{
	local pid

	[ -e /tmp/keeper.pid ] || return 0
	pid=$(cat /tmp/keeper.pid)
	kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || : # when it is this test's own
	within 10 stack_is_gone
	rm /tmp/keeper.pid
}

# keeper [OPTION...] - start one with a small vault; $keeper is its pid
keeper()
{
	clear_away
	enclave serve --size 64M "$@" 2>>"$LOG" &
	keeper=$!
	echo "$keeper" >/tmp/keeper.pid
	within 5 answers
}

keeper_stop()
{
	kill -TERM "$keeper"
	wait "$keeper"
	rm /tmp/keeper.pid
}

# cheap_kdf COMMAND... - run it where a new key's derivation is at its floor: it follows the limit of
# the control group, and seconds of it at each unlock are not what the tests are about
cheap_kdf()
{
	local status=0

	mount -t tmpfs cheap /sys/fs/cgroup
	echo $((64 << 20)) >/sys/fs/cgroup/memory.max
	"$@" || status=$?
	umount /sys/fs/cgroup
	return "$status"
}

# with_vault - a keeper and a vault with one file, locked; the vault is made once
with_vault()
{
	: >"$LOG"
	if [ -e /tmp/vault.made ]; then
		install -m 600 /tmp/vault.made "$VAULT"
		keeper "$@"
	else
		rm -f "$VAULT"
		keeper "$@"
		cheap_kdf in_session_new sh -c 'echo MARKER-0123456789 > ~/secrets/token'
		cp "$VAULT" /tmp/vault.made
	fi
}

# in_session ARGV... - a session of taz that runs ARGV; in_session_new makes the vault
in_session() { printf %s "$PASS" | enclave session --user taz --passphrase-fd 0 -- "$@"; }
in_session_new() { printf %s "$PASS" | enclave session --user taz --create --passphrase-fd 0 -- "$@"; }

# outsider ARGV... - the same uid, in no session
outsider() { setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/taz "$@"; }

# held - a session that is held open in the background, until released; $inside is a process in it
held()
{
	rm -f /tmp/held
	in_session sh -c 'exec 9<~/secrets/token; echo $$ > /tmp/held; sleep 300; cat ~/secrets/token' &
	held=$!
	within 60 test -s /tmp/held
	inside=$(cat /tmp/held)
}

# released - the held session ends, whatever became of its vault
released()
{
	kill "$inside" 2>/dev/null || :
	wait "$held" || :
}

state_is() { [ "$(enclave status --json | jq -r .state)" = "$1" ]; }

# stack_is_gone - no mapping and no loop
stack_is_gone() { [ "$(dmsetup ls)" = 'No devices found' ] && [ -z "$(losetup -a)" ]; }

# kernel_is_clean - and no view and no key of ours
kernel_is_clean()
{
	stack_is_gone && ! grep -q 'fuse.tazfs' /proc/mounts &&
		! grep -q 'taz:taz' /proc/keys
}

# everything_ended - after a test: the keeper stops in order, and nothing is left
everything_ended()
{
	keeper_stop
	kernel_is_clean || fail "left behind: $(dmsetup ls; losetup -a; grep tazfs /proc/mounts)"
}
