# surtitle in a container. The models are not in the image: docker-compose.yml keeps them in a volume.
FROM python:3.11-slim

# libgomp1: the parallel loops of PyTorch and CTranslate2. libportaudio2: `surtitle live`, where a device is passed in.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 libportaudio2 \
    && rm -rf /var/lib/apt/lists/*

# PyTorch first and alone. pip's own choice on Linux brings CUDA, which is gigabytes. For a processor alone, give the
# package index that PyTorch's page "Get started" names for CPU: TORCH_INDEX_URL=... docker compose build
ARG TORCH_INDEX_URL
RUN pip install --no-cache-dir ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch==2.13.0

WORKDIR /opt/surtitle
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY sinks sinks
COPY clients clients
RUN pip install --no-cache-dir . \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin surtitle \
    && install -d -o surtitle -g surtitle /models /data

# /tmp is all that may be written beside the models and the data.
ENV HOME=/tmp SURTITLE_HOME=/models PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8765
ENTRYPOINT ["surtitle"]
