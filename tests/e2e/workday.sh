# workday.sh - a day with the workshop, on any engine; sourced by *.test and *.guest
#
# The caller has taz(), inside(), locked() of lib.sh, and has changed into the workspace; ENGINE is
# the engine's name, TAZ is tazlaunch, TERMINAL tests/terminal.c. The workshop is called "day".

day() { inside --name day "$@"; }

# enter SHOWN TYPED... - "tazlaunch enter" on a terminal (tests/terminal.c)
enter() { "$TERMINAL" "$@" -- "$TAZ" --name day enter; }
ASKS='assphrase: '
SHELL_ASKS=$'\e[?2004h' # what readline sends before each line

# Each file costs an emulated machine some 40 ms; tests/view/tools has 2,000 on a real one.
FILES=$([ "${TAZ_FULL:-0}" = 1 ] && echo 2000 || echo 400)

make_things()
{
	local i

	cat >kubeconfig <<-'END'
	apiVersion: v1
	kind: Config
	clusters: [{name: home, cluster: {server: "https://10.0.0.1:6443"}}]
	users: [{name: me, user: {token: MARKER-kube-0123456789}}]
	contexts: [{name: home, context: {cluster: home, user: me}}]
	current-context: home
	END
	ssh-keygen -q -t ed25519 -N '' -C day -f id_ed25519
	head -c 20971520 /dev/urandom >big
	mkdir tree
	for i in $(seq "$FILES"); do
		mkdir -p "tree/$((i % 40))"
		echo "file $i" >"tree/$((i % 40))/$i"
	done
	tar -cf tree.tar tree
	chmod -R a+rX .
	chmod a+rwx .
}

test_the_things_of_a_day_are_stored_in_one_session()
{
	make_things
	taz --engine "$ENGINE" --name day up
	day --create -- sh -euc '
		cp kubeconfig big ~/secrets/
		install -m 600 id_ed25519 ~/secrets/
		tar -C ~/secrets -xf tree.tar'
	locked day
}

test_after_down_and_up_ssh_keygen_reads_the_key()
{
	taz --name day down
	taz --engine "$ENGINE" --name day up
	[ "$(day -- sh -c 'ssh-keygen -y -f ~/secrets/id_ed25519' | cut -d' ' -f1,2)" = "$(cut -d' ' -f1,2 id_ed25519.pub)" ]
}

test_sha256sum_agrees_on_20_mib()
{
	[ "$(day -- sh -c 'sha256sum <~/secrets/big')" = "$(sha256sum <big)" ]
}

test_a_tree_of_files_is_the_same()
{
	day -- sh -c "diff -r tree ~/secrets/tree && [ \$(find ~/secrets/tree -type f | wc -l) = $FILES ]"
}

test_git_signs_with_the_key_and_pushes()
{
	day -- sh -euc '
		cd ~/secrets
		export GIT_CONFIG_GLOBAL=$PWD/gitconfig
		git config --file gitconfig user.name me
		git config --file gitconfig user.email me@example.org
		git config --file gitconfig gpg.format ssh
		git config --file gitconfig user.signingkey $PWD/id_ed25519
		git config --file gitconfig gpg.ssh.allowedSignersFile $PWD/signers
		echo "me@example.org $(ssh-keygen -y -f id_ed25519)" > signers
		git init -q --bare there.git
		git init -q here
		cd here
		echo text > file
		git add file
		git commit -q -S -m signed
		git push -q ../there.git HEAD:main
		git clone -q -b main file://$HOME/secrets/there.git ../again
		cd ../again
		git verify-commit HEAD
		git fsck --strict'
}

test_a_declared_kubeconfig_comes_in_and_its_path_goes_out()
{
	cat >secrets.conf <<-'END'
	entry kube {
		file    = 'kube/config'
		env     = KUBECONFIG
		command = {'cat', 'kubeconfig'}
	}
	END
	refused day -- enclave pull
	day -- sh -euc 'enclave pull --approve "$(enclave pull --list --json | jq -r ".[].hash")"'
	day -- enclave env | grep -x "export KUBECONFIG='/home/taz/secrets/kube/config'" >/dev/null
	day -- sh -euc 'eval "$(enclave env)"; cat "$KUBECONFIG"; cat ~/.kube/config' | grep -c MARKER-kube | grep -qx 2
	# the bridge leads nowhere while it is locked
	refused taz --name day exec -- sh -c 'echo plain > ~/.kube/config'
	refused taz --name day exec -- sh -c 'echo plain > ~/.ssh/config'
}

test_neovim_saves_a_file()
{
	day -- sh -euc 'nvim --headless -c "normal! Go# edited" -c wq ~/secrets/kubeconfig'
	day -- sh -c 'cat ~/secrets/kubeconfig' | tail -n 1 | grep -x '# edited' >/dev/null
	# and leaves no copy of it anywhere else
	refused taz --name day exec -- grep -rs MARKER-kube /home/taz /tmp /var/tmp /run
}

test_an_outsider_is_refused_while_a_session_is_open()
{
	local cmd

	day -- sh -c 'touch /tmp/open; sleep 25; rm /tmp/open' &
	within 20 taz --name day exec -- test -e /tmp/open
	for cmd in 'ls ~/secrets' 'cat ~/secrets/kubeconfig' 'stat ~/secrets/kubeconfig'; do
		refused taz --name day exec -- sh -c "$cmd" 2>&1 | tee refusal
		grep -q 'Permission denied' refusal
		lacks refusal MARKER
	done
	[ "$(taz --name day status --json | jq -r .state)" = unlocked ]
	taz --name day lock
	locked day
	wait
}

test_the_sealed_file_holds_no_plaintext()
{
	lacks "$TAZ_STATE/day/vault/vault.luks" -aE 'MARKER-kube|OPENSSH PRIVATE|current-context'
}

test_the_manuals_are_inside()
{
	local page

	for page in enclave tazfs tazlaunch taz.conf secrets.conf tazfs-policy; do
		taz --name day exec -- man "$page" </dev/null >man.out 2>&1
		[ "$(head -n 1 man.out | cut -d'(' -f1)" = "$page" ]
	done
}

test_a_shell_on_a_terminal_works_and_its_exit_locks()
{
	enter "$ASKS" "$PASS\r" "$SHELL_ASKS" 'stty size; tail -n 1 ~/secrets/kubeconfig\r' \
		"$SHELL_ASKS" 'exit\r' | tee screen
	grep -q '50 100' screen
	grep -q '# edited' screen
	lacks screen -a "$PASS"
	within 5 locked day
}

test_a_question_comes_to_the_terminal_of_enter_and_a_number_is_so_many_times()
{
	local answer='then Enter: '

	printf '%s\n' '#!/bin/sh' 'printf "%s\n" "ask session r kubeconfig" "allow session - **" >"$1"' >rules
	chmod 755 rules
	enter "$ASKS" "$PASS\r" "$SHELL_ASKS" 'VISUAL=/workspace/rules tazfs policy edit\r' "$ASKS" "$PASS\r" 'in force' '' \
		"$SHELL_ASKS" 'for i in 1 2 3; do tail -n 1 ~/secrets/kubeconfig; done; echo e''nd\r' \
		"$answer" '\s2\r' "$answer" '\sn\r' end '' "$SHELL_ASKS" 'exit\r' | tee screen
	[ "$(grep -c '# edited' screen)" = 2 ]
	[ "$(grep -c 'Permission denied' screen)" = 1 ]
	grep -q "'kubeconfig'.*'/usr/bin/tail'" screen
	within 5 locked day
}

test_bad_answers_never_give_a_shell()
{
	local keys

	for keys in '\003' '\004' '\r' 'wrong\r'; do
		refused enter "$ASKS" "$keys" "$ASKS" "$keys" "$ASKS" "$keys" \
			"$SHELL_ASKS" 'touch /tmp/got-a-shell\r' "$SHELL_ASKS" 'exit\r' >/dev/null
		locked day
	done
	refused taz --name day exec -- test -e /tmp/got-a-shell
}

test_without_a_terminal_nothing_is_asked()
{
	refused taz --name day enter </dev/null
	refused taz --name day run -- true </dev/null
	printf '' | refused taz --name day run --passphrase-fd 0 -- true
	printf wrong | refused taz --name day run --passphrase-fd 0 -- true
	locked day
	refused taz --name day exec -- sh -c 'echo plain > ~/secrets/plain'
}

test_a_killed_client_is_the_end_of_its_session()
{
	local client

	sleep 8 # at most four wrong passphrases came just before: root waits for that long
	printf %s "$PASS" | "$TAZ" --name day run --passphrase-fd 0 -- sleep 100 &
	client=$!
	unlocked() { [ "$(taz --name day status --json | jq -r .state)" = unlocked ]; }
	within 20 unlocked
	kill -KILL "$client"
	wait "$client" || :
	within 5 locked day
	refused taz --name day exec -- pgrep -x sleep
}
