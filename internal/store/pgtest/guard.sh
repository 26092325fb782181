# The parent of one PostgreSQL server. It obeys words on its standard input. When
# that ends, because the server is no longer needed or because the test program
# is dead, it kills the server and removes the folder.
#
# Output goes to the test program. The guard lets go of it once the server runs:
# from then on it ends with the last process of the server.
#
# Arguments: folder, folder of PostgreSQL's binaries, arguments of the server.
folder=$1 bin=$2
shift 2
server=

# crash kills all of the server at once. It is stopped first, so that it neither
# starts processes nor cleans up.
crash() {
	kill -STOP "$server"
	kill -KILL $(cat "/proc/$server/task/$server/children") "$server"
	wait "$server"
	server=
}

while read -r word; do
	case $word in
	start)
		[ -e "$folder/data/PG_VERSION" ] || "$bin/initdb" --pgdata="$folder/data" --no-sync --no-instructions \
			--username=postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile="$folder/password" \
			--encoding=UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US || break
		"$bin/postgres" -D "$folder/data" "$@" </dev/null &
		server=$!
		exec >/dev/null 2>&1
		;;
	KILL) crash ;;
	leave) exit ;;
	*)
		kill "-$word" "$server"
		wait "$server"
		server=
		;;
	esac
done

[ -z "$server" ] || crash
# What was killed leaves a segment of shared memory behind; its number is in the
# seventh line of this file.
set -- $(sed -n 7p "$folder/data/postmaster.pid" 2>/dev/null)
[ -z "${2-}" ] || ipcrm -m "$2"
rm -rf -- "$folder"
