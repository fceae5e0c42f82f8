#!/bin/sh
# The first node founds the cluster and the others join it; one that was a member before knows its peers.  REJOIN is the
# address of a member, for a first node that lost its volume: it would found a second cluster.
first="http://qdrant-0.qdrant-headless:6335"
own="http://${POD_NAME}.qdrant-headless:6335"
if [ "$own" = "$first" ] && [ -z "$REJOIN" ]; then
  exec ./entrypoint.sh --uri "$own"
fi
exec ./entrypoint.sh --uri "$own" --bootstrap "${REJOIN:-$first}"
