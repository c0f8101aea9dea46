#!/bin/sh
# Ask a running server about a picture:  examples/client.sh PICTURE [http://127.0.0.1:8000]
# Where the server wants a token, put it into $FASHION_CNN_TOKEN.
set -eu
exec curl --silent --show-error --fail-with-body --retry 5 \
    ${FASHION_CNN_TOKEN:+--header "Authorization: Bearer $FASHION_CNN_TOKEN"} \
    --data-binary "@$1" "${2:-http://127.0.0.1:8000}/v1/predict?top_k=3"
