"""Ask a running server about a picture, with the standard library alone.

fashion-cnn serve
python3 examples/client.py PICTURE [http://127.0.0.1:8000]

Where the server wants a token, put it into $FASHION_CNN_TOKEN.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TRIES = 5


def classify(picture: bytes, server: str) -> dict[str, Any]:
    """Send a picture file; a busy server (503) is asked again when it says.

    Raises:
        SystemExit: the server refuses the picture, or stays busy.
    """
    request = urllib.request.Request(f"{server}/v1/predict?top_k=3", picture, method="POST")
    request.add_header("Content-Type", "application/octet-stream")
    if token := os.environ.get("FASHION_CNN_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    for tries_left in reversed(range(TRIES)):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503 or not tries_left:
                    sys.exit(f"{error.code}: {json.load(error)['detail']}")
            time.sleep(float(error.headers.get("Retry-After", 1)))
    raise AssertionError


def main(path: Path, server: str) -> None:
    """Print the three most probable classes of a picture."""
    answer = classify(path.read_bytes(), server)
    for one in answer["top"]:
        print(f"{one['label']:<12} {one['probability']:6.1%}")
    for warning in answer["warnings"]:
        print(f"! {warning}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000")
