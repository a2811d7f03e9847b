# Sourced by the other scripts: builds the server and the load generator, and starts the server in a
# temporary folder, which is removed at the end.

# start_server LOBBY SETTINGS [PROGRAM...]: the settings follow the table [limits] of its config;
# the programs are built, too. Sets `bin`, `folder`, `port` and `server`, its process id.
start_server() {
    local lobby=$1 settings=$2 programs=(rookeryd rookery-bench "${@:3}")
    cargo build --release "${programs[@]/#/--bin=}"
    bin=$(cd "${CARGO_TARGET_DIR:-target}/release" && pwd)
    folder=$(mktemp -d)
    port=$((20000 + RANDOM % 20000))
    cat > "$folder/config.toml" << TOML
[chat]
listen = "127.0.0.1:$port"
lobby = [$lobby]
[admin]
listen = "127.0.0.1:$((port + 1))"
[accounts]
required = false
verify_email = false
[limits]
$settings
TOML
    ulimit -n 65536 2> /dev/null || true
    (cd "$folder" && exec "$bin/rookeryd" 2> "$folder/log") &
    server=$!
    trap 'kill "$server" 2> /dev/null; rm -rf "$folder"' EXIT
    for _ in $(seq 100); do
        (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break
        sleep 0.1
    done
}

# The settings under which nothing but the cost of the work limits the server.
unlimited="connections = 0
connections_per_address = 0
connect_rate = 0
sessions_per_account = 0
stored_bytes_per_day = 0
messages_per_second = 0
message_burst = 0
sendq_bytes = 0
sendq_total_bytes = 0"

# measure LOAD...: runs the load generator.
measure() {
    "$bin/rookery-bench" "$1" --address "127.0.0.1:$port" --pid "$server" "${@:2}"
}
