# lib.sh - what every image recipe begins with; sourced by bash scripts, never run
#
# Its content is part of the images' tags: what only helps to build them is in cache.sh.

# The Debian release that the images and the virtual machine's tools are made of.
TAZ_SUITE=trixie

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
