#!/usr/bin/env bash
# An agent written in bash: cleans up old backups, but only after a person has agreed.
#
#   remora serve
#   examples/shell/agent.sh
#
# then answer at http://127.0.0.1:8000/ or by `remora inbox` and `remora answer`.
set -euo pipefail

# Every `remora emit` and `remora ask` below speaks for this agent.
export REMORA_AGENT_ID=${REMORA_AGENT_ID:-cleanup-1}

# From here on the dashboard shows how it ended, whatever ends it.
finish() {
    local code=$?
    if [ "$code" -ne 0 ]; then
        remora emit agent:failed error="stopped with exit code $code" || true
    fi
}

remora emit agent:started name=Cleanup || exit # the error, such as "daemon not reachable", is on the screen
trap finish EXIT

remora emit tool:called name=find path=/var/backups
old=17 # what a real agent would count
remora emit tool:completed name=find found:="$old"

# The exit code tells how it ended: 0 answered, 3 nobody answered in time, 4 cancelled, 5 no daemon.
code=0
choice=$(remora ask "Delete $old backups older than a year?" --option delete --option keep \
    --reason confirmation --urgency high --timeout 5m) || code=$?

case $code in
    0) echo "choice: $choice" ;;
    3) choice=keep && echo "nobody answered, so everything is kept" ;;
    *) exit "$code" ;;
esac

if [ "$choice" = delete ]; then
    reason=$(remora ask "Why? One line for the log." --timeout 5m)
    echo "reason: $reason"
    result="deleted $old backups: $reason"
else
    result="kept $old backups"
fi
remora emit agent:completed result="$result"
