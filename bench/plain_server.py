"""A classifier behind FastAPI as it is usually written, for bench/load.py to compare with.

The picture is shrunk to 28x28 and inverted, the network runs in PyTorch inside the handler, and
nothing is limited: no sizes, no times, no queue.
"""

import io
import socket
import sys
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image, ImageOps

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.on_torch.model import build_model
from fashion_cnn.recipes.catalog import fast

app = FastAPI()
model = build_model(
    fast(), 10
).eval()  # its start: answers are wrong and cost as much as right ones


@app.post("/v1/predict")
async def predict(request: Request) -> dict[str, Any]:
    """Classify a picture."""
    picture = Image.open(io.BytesIO(await request.body())).convert("L").resize((28, 28))
    pixels = torch.frombuffer(bytearray(ImageOps.invert(picture).tobytes()), dtype=torch.uint8)
    with torch.inference_mode():
        probabilities = model(pixels.view(1, 28, 28)).softmax(1)[0]
    return dict(zip(CLASS_NAMES, probabilities.tolist(), strict=True))


if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/", file=sys.stderr, flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        server.run(sockets=[listening])
