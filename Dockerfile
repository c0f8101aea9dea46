# The server, with the models in the package: no training framework, no shell tools of ours, no root.
#   docker build -t fashion-cnn .
#   export FASHION_CNN_TOKEN="$(openssl rand -hex 16)"; echo "http://127.0.0.1:8000/#$FASHION_CNN_TOKEN"
#   docker run --rm --read-only -p 127.0.0.1:8000:8000 -e FASHION_CNN_TOKEN fashion-cnn
# Newer ones: docker buildx imagetools inspect python:3.13-slim
FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /source
RUN python -m venv /opt/fashion-cnn
COPY requirements-serve.txt requirements-hashes.txt ./
COPY bench/pins.py bench/
RUN python bench/pins.py requirements-serve.txt >pins.txt && \
    /opt/fashion-cnn/bin/pip install --no-cache-dir --no-deps --require-hashes -r pins.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/fashion-cnn/bin/pip install --no-cache-dir --no-deps --no-build-isolation . && \
    /opt/fashion-cnn/bin/pip uninstall -y setuptools

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
COPY --from=build /opt/fashion-cnn /opt/fashion-cnn
ENV PATH=/opt/fashion-cnn/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["fashion-cnn", "serve", "--host", "0.0.0.0", "--drain", "5"]
