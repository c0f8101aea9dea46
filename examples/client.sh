#!/bin/sh
# Ask a running server about a picture:  examples/client.sh PICTURE [http://127.0.0.1:8000]
# Where the server wants a token, put it into $FASHION_CNN_TOKEN. It goes through a file: what stands
# in a command anybody on the machine can see.
set -eu
exec curl --silent --show-error --fail-with-body --retry 5 \
    --header @/dev/fd/3 \
    --data-binary "@$1" "${2:-http://127.0.0.1:8000}/v1/predict?top_k=3" 3<<HEADER
${FASHION_CNN_TOKEN:+Authorization: Bearer $FASHION_CNN_TOKEN}
HEADER
