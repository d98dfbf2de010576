# cache.sh - make things once; sourced by bash scripts, never run
#
# Everything that is made is kept in a cache outside the checkout, named by what it was made from,
# and appears whole or not at all.
. "${BASH_SOURCE[0]%/*}/lib.sh"

# cache_dir - where made things are kept
cache_dir()
{
	local dir=${TAZ_CACHE:-/var/cache/taz}

	# Who serves a workspace is not root, and starts from here.
	(umask 022 && mkdir -p "$dir")
	realpath "$dir"
}

# content_key FILE... - a short hash of what the files hold, not of where or when
content_key()
{
	cat -- "$@" | sha256sum | cut -c1-16
}

# cached PATH BUILD... - print PATH, made by "BUILD... TMP" when it is not there yet
#
# TMP is a name beside PATH; it is renamed when BUILD succeeded and removed when it failed. Two at
# once: the second waits and finds the work done. BUILD's output goes to stderr only when it fails
# or when stderr is a terminal, like everywhere in taz.
cached()
{
	local path=$1
	shift
	if [ ! -e "$path" ]; then
		exec 8>"$path.lock"
		flock 8
		if [ ! -e "$path" ]; then
			rm -rf --one-file-system -- "$path.tmp"
			echo "taz: making $(basename "$path")" >&2
			# In a subshell with its own set -e: "if ! f" would switch errexit off inside f.
			set +e
			(set -e; exec 8>&-; "$@" "$path.tmp") >"$path.log" 2>&1
			local status=$?
			set -e
			if [ $status -ne 0 ]; then
				cat -- "$path.log" >&2
				rm -rf --one-file-system -- "$path.tmp"
				echo "taz: making $path failed" >&2
				return 1
			fi
			mv -T -- "$path.tmp" "$path"
		fi
		exec 8>&-
	fi
	echo "$path"
}

# vm_tools - the path of the tree that holds QEMU, virtiofsd, the kernel and mkfs.erofs
vm_tools()
{
	"${BASH_SOURCE[0]%/*}/vm/tools"
}

# tree_run TREE PROGRAM [ARG...] - run a program of the tree with the tree's own libraries
#
# Its loader is started by hand, so neither a chroot nor a mount is needed.
tree_run()
{
	(tree_exec "$@")
}

# tree_exec - the same in this shell's place, so that "tree_exec ... &" has the program's own pid
tree_exec()
{
	local tree=$1 program=$2
	shift 2
	exec "$tree/usr/lib64/ld-linux-x86-64.so.2" \
		--library-path "$tree/usr/lib/x86_64-linux-gnu" "$tree/usr/$program" "$@"
}

# modules_for TREE NAME... - the files of kernel modules, each after those that it needs
modules_for()
{
	local dir=$1/usr/lib/modules/current name line
	shift
	for name in "$@"; do
		line=$(grep -E "/${name//[-_]/[-_]}\.ko[.a-z]*:" "$dir/modules.dep") || {
			echo "taz: the kernel has no module $name" >&2
			return 1
		}
		# modules.dep names the nearest need first and the deepest last.
		tr ' ' '\n' <<<"${line/:/}" | tac | sed -e '/^$/d' -e "s#^#$dir/#"
	done | awk '!seen[$0]++'
}

# modules_into DIR FILE... - unpack them as DIR/NN-name.ko, so that a listing is the load order
modules_into()
{
	local dir=$1 file n=10
	shift
	mkdir -p "$dir"
	for file in "$@"; do
		case $file in
		*.xz) xz -dc -- "$file" >"$dir/$n-$(basename "$file" .xz)" ;;
		*) cp -- "$file" "$dir/$n-$(basename "$file")" ;;
		esac
		n=$((n + 1))
	done
}

# need_packages FILE... - install what is missing of these lists; says so, and asks for nothing
need_packages()
{
	local names missing log

	mapfile -t names < <(packages_of "$@" | tr ',' '\n' | sort -u)
	mapfile -t missing < <(comm -23 <(printf '%s\n' "${names[@]}") \
		<(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${names[@]}" 2>/dev/null |
			sed -n 's/^installed //p' | sort -u))
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "taz: as root, please: these packages are missing: ${missing[*]}" >&2
		return 1
	fi
	echo "taz: installing ${missing[*]}" >&2
	log=$(mktemp)
	# Standard input may be a passphrase: it is not theirs.
	if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		--no-install-recommends install "${missing[@]}"; } </dev/null >"$log" 2>&1; then
		cat "$log" >&2
		rm -f -- "$log"
		return 1
	fi
	rm -f -- "$log"
}

# meson_build DIR [OPTION...] - configure once, compile; what it prints is shown when it fails
meson_build()
{
	local dir=$1 top log
	shift
	top=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
	mkdir -p "$dir"
	log=$dir.log
	(
		# Two at once would fight over one folder.
		flock 8
		[ -e "$dir/build.ninja" ] || meson setup "$dir" "$top" "$@" 8>&-
		ninja -C "$dir" 8>&-
	) 8>"$dir.lock" </dev/null >"$log" 2>&1 || {
		cat "$log" >&2
		return 1
	}
}

# build_dir KIND - where this checkout is built: outside of it, one folder a checkout
build_dir()
{
	local top

	top=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
	echo "$(cache_dir)/build-$1-$(sha256sum <<<"$top" | cut -c1-12)"
}
