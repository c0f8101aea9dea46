# The server, with the models in the box: no training framework, no shell tools of ours, no root.
#   docker build -t fashion-cnn .
#   export FASHION_CNN_TOKEN="$(openssl rand -hex 16)"; echo "http://127.0.0.1:8000/#$FASHION_CNN_TOKEN"
#   docker run --rm --read-only -p 127.0.0.1:8000:8000 -e FASHION_CNN_TOKEN fashion-cnn
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/fashion-cnn
COPY pyproject.toml README.md LICENSE requirements.txt ./
COPY src src
RUN /opt/fashion-cnn/bin/pip install --no-cache-dir --constraint requirements.txt '.[serve]'

FROM python:3.13-slim
COPY --from=build /opt/fashion-cnn /opt/fashion-cnn
ENV PATH=/opt/fashion-cnn/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["fashion-cnn", "serve", "--host", "0.0.0.0", "--drain", "5"]
