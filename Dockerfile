# For a CPU:  docker build -t stylewav-pl .
# For a GPU:  docker build -t stylewav-pl --build-arg BASE=nvidia/cuda:13.0.1-runtime-ubuntu24.04 .
# The page:   docker run --rm -p 7860:7860 stylewav-pl studio --host 0.0.0.0
# With Ray:   docker build -t stylewav-pl --build-arg EXTRAS=ray .
# A run:      docker run --rm -v "$PWD:/work" [--gpus all] stylewav-pl fit --config demo.yaml
# The versions are those of constraints.txt; PIP_OPTIONS is for an index of your own (wheels of torch for CPUs alone are smaller).
ARG BASE=python:3.11-slim
FROM ${BASE}

RUN if ! python3 -m venv --help >/dev/null 2>&1 || ! python3 -m ensurepip --version >/dev/null 2>&1; then \
        apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*; \
    fi && python3 -m venv /opt/stylewav-pl
ENV PATH=/opt/stylewav-pl/bin:$PATH

ARG PIP_OPTIONS=""
ARG EXTRAS="studio,tensorboard"
WORKDIR /source
COPY constraints.txt pyproject.toml setup.py MANIFEST.in README.md LICENSE THIRD_PARTY.md CHANGELOG.md ./
COPY configs configs
COPY stylewav_pl stylewav_pl
RUN pip install --no-cache-dir ${PIP_OPTIONS} --constraint constraints.txt ".[${EXTRAS}]" \
    && pip install --no-cache-dir ${PIP_OPTIONS} --no-deps resemblyzer==0.1.4

RUN useradd --create-home user && mkdir /work && chown user /work
USER user
WORKDIR /work
EXPOSE 7860
ENTRYPOINT ["stylewav-pl"]
CMD ["--help"]
