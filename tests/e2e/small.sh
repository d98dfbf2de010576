# small.sh - sources whose images are a few files, for tests of how images are made and kept; sourced
#
# $images: a copy of the sources that may be changed.

# small_sources - images/ with a Debian that needs no network, and a base that compiles nothing
small_sources()
{
	rm -rf "$images/images/k8s" "$images/images/gemini"
	cat >"$images/images/base/debian-rootfs" <<-'END'
	#!/bin/sh
	d=$(mktemp -d) && mkdir "$d/etc" && echo small >"$d/etc/hostname" && tar -C "$d" -cf "$1" . && rm -r "$d"
	END
	printf '%s\n' 'ARG BASE' 'FROM ${BASE}' 'COPY run.packages /etc/' 'COPY programs/ /usr/local/' \
		>"$images/images/base/Dockerfile.base"
	rm "$images/images/base/releases"
	: >"$images/images/base/releases"
}
