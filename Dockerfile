# The operator's image. `docker build .` and `buildah bud .` both work; another base, index or folder of wheels
# is given by --build-arg (BASE, or pip's own PIP_INDEX_URL, PIP_NO_INDEX, PIP_FIND_LINKS=/context/wheels). The
# base has Python 3.11 or later with venv, and libstdc++ (for grpc).
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src

# /tools builds the project's wheel and installs into /opt/rayctl, which never holds a pip of its own. What the
# lock files name comes first: it changes less often than the source, so its layer is there already.
COPY requirements.lock requirements-build.lock ./
RUN --mount=type=bind,target=/context \
    python3 -m venv /tools \
    && /tools/bin/pip install --no-compile --require-hashes --requirement requirements-build.lock \
    && python3 -m venv --without-pip /opt/rayctl \
    && rm /opt/rayctl/bin/[Aa]ctivate* \
    && /tools/bin/pip --python /opt/rayctl/bin/python3 install --no-compile \
        --require-hashes --only-binary=:all: --requirement requirements.lock
# Bytecode is written here, as the root file system may be read-only where it runs; not for the thousands of
# generated models and calls of the Kubernetes client, which the operator never imports.
RUN python3 -m compileall -q -x 'kubernetes/(aio/)?client/(api|models)/[a-z]' /opt/rayctl/lib
COPY pyproject.toml README.md LICENSE ./
COPY rayctl rayctl
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /tools/bin/pip --python /opt/rayctl/bin/python3 install --no-deps --no-index /dist/*.whl

FROM ${BASE}
ARG VERSION=unknown
LABEL org.opencontainers.image.title="rayctl operator" \
    org.opencontainers.image.description="Reconciles RayClusters (cluster.ray.io/v1) on Kubernetes" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/rayctl /opt/rayctl
# Nothing is installed in a running operator: the base's pip goes too, as a program and as ensurepip's wheels.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip \
    /usr/lib/python3*/ensurepip /usr/share/python-wheels
# gRPC would write lines of its own into the log, of no cluster: what fails is an exception besides.
ENV PATH=/opt/rayctl/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 GRPC_VERBOSITY=NONE
USER 65532:65532
WORKDIR /
ENTRYPOINT ["rayctl"]
CMD ["operator"]
