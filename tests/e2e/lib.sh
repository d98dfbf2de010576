# lib.sh - what the end-to-end tests share: tazlaunch as a user has it, in a state folder of its own
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

PASS='correct horse battery staple'

# snapshot DIR - the sources as they are now: what is edited while tests run changes no image's tag
snapshot()
{
	mkdir -p "$1"
	tar -C "$top" -c meson.build meson_options.txt images enclave tazfs launcher tests | tar -C "$1" -x
}

# e2e_begin - build, and forget everything at the end, however the tests went
e2e_begin()
{
	export TAZ_SOURCE TAZ_STATE
	RELEASE=$(build_dir release)
	meson_build "$RELEASE" --buildtype=release
	TAZ=$RELEASE/launcher/tazlaunch
	TERMINAL=$RELEASE/tests/terminal
	TAZ_STATE=$(mktemp -d "${TMPDIR:-/tmp}/taz-e2e.XXXXXX")
	TAZ_SOURCE=$TAZ_STATE/.src
	snapshot "$TAZ_SOURCE"
	WORKSPACE=$TAZ_STATE/.workspace
	mkdir "$WORKSPACE"
	cd "$WORKSPACE"
	trap e2e_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

e2e_end()
{
	local name

	for name in "$TAZ_STATE"/*/run; do
		[ -d "$name" ] || continue
		name=$(basename "$(dirname "$name")")
		taz --name "$name" down </dev/null >/dev/null 2>&1 || :
	done
	cd /
	rm -rf -- "$TAZ_STATE"
}

taz() { "$TAZ" "$@"; }

# inside [OPTION...] -- COMMAND... - a session with the right passphrase, without a terminal
inside() { printf %s "$PASS" | taz run --passphrase-fd 0 "$@"; }

# locked NAME - has it come to rest?
locked() { [ "$(taz --name "$1" status --json | jq -r .state)" = locked ]; }
