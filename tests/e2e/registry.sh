# registry.sh - images go to a real registry and come back, with any engine; sourced
#
# The registry is Debian's docker-registry, on a free port of the loopback, with a folder of its own; each
# test has its own, and ends it by its pid. $ENGINE: docker, podman or vm; $small: a folder for all of it, on
# a disk; $sources: what is copied for small_sources().

small_begin()
{
	images=$small/src
	export TAZ_SOURCE=$images TAZ_CACHE=$small/cache
	unset TAZ_WITHOUT
	[ ! -d "$images" ] || return 0
	mkdir -p "$small/cache"
	cp -a "$sources" "$images"
	small_sources
}

# registry_starts - sets $host and $registry, its pid
registry_starts()
{
	small_begin
	kept=$small/registry.$BASHPID
	mkdir "$kept"
	printf '%s\n' 'version: 0.1' "storage: {filesystem: {rootdirectory: $kept}}" 'log: {level: info}' \
		'http: {addr: "127.0.0.1:0"}' >"$kept.yml"
	docker-registry serve "$kept.yml" >"$kept.log" 2>&1 &
	registry=$!
	trap 'kill -CONT "$registry" 2>/dev/null && kill "$registry" || :' EXIT # of the test's subshell
	within 60 grep -qs 'listening on' "$kept.log"
	host=$(sed -n 's/.*listening on \(127.0.0.1:[0-9]*\).*/\1/p' "$kept.log" | head -n 1)
}

build() { taz --engine "$ENGINE" build "$@"; }
push() { taz --engine "$ENGINE" push "$@"; }
pull() { taz --engine "$ENGINE" pull "$@"; }
store() { "$images/images/vm/store" "$@"; }

# b COMMAND... - buildah on the vm engine's store
b()
{
	local store=$TAZ_CACHE/vm-store command=$1
	shift
	unshare --mount --propagation private -- buildah --storage-driver "$(cat "$store/driver")" \
		--root "$store/$(cat "$store/driver")" --runroot "$store/run/storage" "$command" "$@"
}

# all_images - every image in the engine's store, and every name of it
all_images()
{
	case $ENGINE in
	vm) b images --all --no-trunc --format '{{.ID}} {{.Name}}:{{.Tag}}' ;;
	*) "$ENGINE" images --all --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' ;;
	esac | sort
}
removes()
{
	case $ENGINE in
	vm) store remove "$1" ;;
	*) "$ENGINE" rmi "$1" ;;
	esac
}

# strange NAME LABEL-LINE - somebody else's image of that name, and $strange: how it is called in the registry
strange()
{
	local dir=$small/strange.$BASHPID digest from

	mkdir -p "$dir"
	from=$(build)
	printf '%s\n' "FROM $from" "$2" >"$dir/Dockerfile"
	case $ENGINE in
	vm)
		store build "taz/$1:0" "$dir/Dockerfile" "$dir" >&2
		b push --quiet --tls-verify=false "taz/$1:0" "docker://$host/$1:0"
		;;
	podman)
		podman build --quiet --pull=never -t "taz/$1:0" "$dir" >&2
		podman push --quiet --tls-verify=false "taz/$1:0" "docker://$host/$1:0"
		;;
	docker)
		docker build --quiet -t "$host/$1:0" "$dir" >&2
		docker push --quiet "$host/$1:0" >&2
		;;
	esac
	digest=$(cat "$kept/docker/registry/v2/repositories/$1/_manifests/tags/0/current/link")
	if [ "$ENGINE" = docker ]; then docker rmi "$host/$1:0" >&2; else removes "taz/$1:0" >&2; fi
	removes "$from" # else it is here already
	strange=$host/$1@$digest
}

test_an_image_goes_to_a_registry_and_comes_back_by_its_digest()
{
	local tag ref link

	registry_starts
	tag=$(build)
	all_images >before
	ref=$(push "$host/team/workshop")
	all_images | diff before -
	grep -xE '127.0.0.1:[0-9]+/team/workshop@sha256:[0-9a-f]{64}' <<<"$ref"
	link=$kept/docker/registry/v2/repositories/team/workshop/_manifests/tags/${tag#*:}/current/link
	prints "${ref#*@}" cat "$link"
	prints "$ref" jq -r .reference <(push --json "$host/team/workshop")
	prints "$tag is here already: nothing is pulled" sed 's/^tazlaunch: //' <(pull "$ref" 2>&1 >/dev/null)
	removes "$tag"
	refused all_images_have "$tag"
	prints "$tag" pull "$ref"
	all_images >after
	lacks after "$host"
	grep -q "${tag#*/}$" after
	prints "$tag" build # and makes none
	all_images | diff after -
}
all_images_have() { all_images | grep "${1#*/}$"; }

test_another_image_is_refused_and_nothing_of_it_stays()
{
	local ref tag

	registry_starts
	tag=$(build)
	ref=$(push "$host/team/workshop")
	echo '# changed' >>"$images/images/dotfiles/home/.bashrc"
	removes "$tag"
	all_images >before
	refused pull "$ref" 2>&1 | tee said
	grep -F "is the image \"$tag\", and here it would be \"taz/dotfiles:" said
	all_images | diff before -
	# Nobody's, and one that would be more than text on a terminal.
	strange nobody 'LABEL io.taz.tag='
	all_images >before
	refused pull "$strange" 2>&1 | tee said
	grep "has no label io.taz.tag" said
	all_images | diff before -
	strange hostile "LABEL io.taz.tag=\"a"$'\e'"[2Jb\""
	all_images >before
	refused pull "$strange" 2>&1 | tee said
	grep -F 'is the image "a\x1b[2Jb"' said
	lacks said $'\e'
	all_images | diff before -
}

test_only_a_digest_is_pulled_and_no_tag_is_pushed()
{
	local name status

	registry_starts
	for name in "$host/x" "$host/x:latest" "$host/x:latest@sha256:$(printf '%064d' 0)" "$host/x@sha256:0" -x "$host/../x"; do
		status=0
		pull -- "$name" >said 2>&1 || status=$?
		prints 2 echo "$status"
	done
	refused pull "$host/x:latest" 2>&1 | grep 'a tag is whatever its registry says today: name the digest'
	for name in "$host/x:latest" "$host/x@sha256:$(printf '%064d' 0)" debian library/debian "$host/X" "$host/x y"; do
		status=0
		push -- "$name" >said 2>&1 || status=$?
		prints 2 echo "$status"
	done
	lacks "$kept.log" '/v2/'
}

test_a_changed_byte_in_the_registry_is_refused()
{
	local tag ref blob

	registry_starts
	tag=$(build)
	ref=$(push "$host/team/workshop")
	removes "$tag"
	all_images >before
	# The topmost layer; the ones below are in the store.
	blob=$(jq -r '.layers[-2:][].digest' "$kept/docker/registry/v2/blobs/sha256/${ref: -64:2}/${ref: -64}/data" |
		while IFS=: read -r _ hash; do ls -S "$kept/docker/registry/v2/blobs/sha256/${hash:0:2}/$hash/data"; done |
		xargs ls -S | head -n 1)
	printf X | dd of="$blob" bs=1 seek=200 conv=notrunc status=none
	refused pull "$ref" 2>&1 | tee said
	grep "pull ${ref%@*}" said
	all_images | diff before -
	refused all_images_have "$tag"
}

test_a_registry_that_is_down_is_named()
{
	registry_starts
	build
	kill "$registry"
	wait "$registry" || :
	refused push "$host/team/workshop" 2>&1 | tee said
	grep "push taz/dotfiles:.* to $host/team/workshop" said
	grep -i 'refused' said
	removes "$(build)"
	refused pull "$host/team/workshop@sha256:$(printf '%064d' 0)" 2>&1 | grep "pull $host/team/workshop"
	[ "$(all_images | grep -c "$host" || :)" = 0 ]
}

test_a_killed_pull_is_made_good_by_the_next_and_two_at_once_do_not_disturb_each_other()
{
	local tag ref first second client

	registry_starts
	tag=$(build)
	ref=$(push "$host/team/workshop")
	removes "$tag"
	kill -STOP "$registry"
	"$TAZ" --engine "$ENGINE" pull "$ref" &
	first=$!
	sleep 2
	client=$(pgrep -P "$first")
	kill -KILL "$first"
	wait "$first" || :
	kill -CONT "$registry"
	# It has nobody any more to tell, and brings its work to an end.
	ended() { ! readlink -q "/proc/$1/exe"; }
	within 60 ended "$client"
	pull "$ref" & first=$!
	pull "$ref" & second=$!
	wait "$first"
	wait "$second"
	all_images >after
	lacks after "$host"
	prints 1 grep -c "${tag#*/}$" after
}

test_a_killed_pull_leaves_nothing_on_the_disk_for_long()
{
	local tag ref first client

	[ "$ENGINE" = vm ] || return 0 # docker and podman have their own folders
	registry_starts
	head -c 60M /dev/urandom >"$images/images/dotfiles/home/large"
	tag=$(build)
	ref=$(push "$host/team/workshop")
	removes "$tag"
	"$TAZ" --engine "$ENGINE" pull "$ref" &
	first=$!
	arrives() { compgen -G "$TAZ_CACHE/vm-store/tmp/*" >/dev/null; }
	within 60 arrives
	kill -STOP "$registry"
	client=$(pgrep -P "$first")
	kill -KILL "$first" "$client" $(pgrep -P "$client")
	wait "$first" || :
	kill -CONT "$registry"
	arrives
	prints "$tag" pull "$ref"
	refused arrives
	rm "$images/images/dotfiles/home/large"
}

test_an_image_for_another_machine_is_refused_and_nothing_of_it_stays()
{
	local tag other digest

	[ "$ENGINE" = vm ] || return 0 # the others are asked the same (tests/test_container.c)
	registry_starts
	tag=$(build)
	other=$(b from "$tag")
	b config --arch s390x "$other"
	b commit --quiet --rm "$other" taz/other:0
	b push --quiet --tls-verify=false taz/other:0 "docker://$host/other:0"
	digest=$(cat "$kept/docker/registry/v2/repositories/other/_manifests/tags/0/current/link")
	removes taz/other:0
	removes "$tag"
	all_images >before
	refused pull "$host/other@$digest" 2>&1 | tee said
	grep 'is for "linux/s390x", and this machine is "linux/' said
	all_images | diff before -
	refused all_images_have "$tag"
}
