# lib.sh - what the image recipes share; sourced by bash scripts, never run
#
# Everything that is made here is kept in a cache outside the checkout, named by what it was made
# from, and appears whole or not at all.

# The Debian release that the images and the virtual machine's tools are made of.
TAZ_SUITE=trixie

# cache_dir - where made things are kept
cache_dir()
{
	local dir=${TAZ_CACHE:-/var/cache/taz}

	mkdir -p "$dir"
	realpath "$dir"
}

# debian_lines - the lines of a sources.list for TAZ_SUITE, from the mirrors of this very machine
#
# What apt itself would ask for is read, so a proxy, a mirror or a snapshot that the machine is set
# up for is used, and no recipe names a host. Works with no package list fetched yet.
debian_lines()
{
	local codename

	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:?}")
	apt-get --print-uris update 2>/dev/null |
		sed -nE "s#^'([^']+)/dists/($codename|stable)((-updates|-security)?)/InRelease'.*#deb \1 $TAZ_SUITE\3 main#p" |
		sort -u | grep . || {
		echo "taz: apt knows no Debian mirror for $codename" >&2
		return 1
	}
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
			rm -rf -- "$path.tmp"
			echo "taz: making $(basename "$path")" >&2
			# In a subshell with its own set -e: "if ! f" would switch errexit off inside f.
			set +e
			(set -e; exec 8>&-; "$@" "$path.tmp") >"$path.log" 2>&1
			local status=$?
			set -e
			if [ $status -ne 0 ]; then
				cat -- "$path.log" >&2
				rm -rf -- "$path.tmp"
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
	local tree=$1 program=$2
	shift 2
	"$tree/usr/lib64/ld-linux-x86-64.so.2" \
		--library-path "$tree/usr/lib/x86_64-linux-gnu" "$tree/usr/$program" "$@"
}

# packages_of FILE... - the package names in lists of one a line, with commas between
packages_of()
{
	sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' -- "$@" | paste -sd,
}

# slim_options - what no image needs: documentation, manuals, other languages
slim_options()
{
	printf -- '--dpkgopt=path-exclude=%s\n' '/usr/share/doc/*' '/usr/share/man/*' \
		'/usr/share/info/*' '/usr/share/locale/*' '/usr/share/lintian/*'
	printf -- '--dpkgopt=path-include=%s\n' '/usr/share/doc/*/copyright'
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
