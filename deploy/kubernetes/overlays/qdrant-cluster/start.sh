#!/bin/sh
# The first node founds the cluster and the others join it; one that was a member before knows its peers.
first="http://qdrant-0.qdrant-headless:6335"
own="http://${POD_NAME}.qdrant-headless:6335"
if [ "$own" = "$first" ]; then
  exec ./entrypoint.sh --uri "$own"
fi
exec ./entrypoint.sh --uri "$own" --bootstrap "$first"
