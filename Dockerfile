# The app with all that it needs to run; docs/how-to/containers.md tells how to use it.
#   docker build .                                torch for processors
#   docker build --build-arg TORCH_BUILD=cuda .   torch for NVIDIA's GPUs too, 4 GB more
FROM python:3.11-slim-bookworm

# Which build of the locked torch: cpu; cuda, which is what PyPI has for Linux on x86-64; or another folder of
# the index, such as cu126 for an older driver.
ARG TORCH_BUILD=cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl
ARG PACKAGES=/usr/local/lib/python3.11/site-packages

ENV PYTHONUNBUFFERED=1 \
    PYTHONNOUSERSITE=1 \
    MPLBACKEND=Agg

WORKDIR /opt/bids_eeg2fmri

# From what changes seldom and is large to what changes often and is small; what packages hold for their own
# tests and for compilers goes in the step that brings it, or it would stay in the layer.
# The index calls its builds 2.13.0+cpu and the like, which pip takes rather than the plain 2.13.0 of PyPI.
# Where the index is not reached, pip takes what it finds elsewhere: hence the look at what came.
COPY requirements.lock ./
RUN if [ "$TORCH_BUILD" != cuda ]; then set -- --extra-index-url "$TORCH_INDEX/$TORCH_BUILD"; fi \
    && pip install --no-cache-dir --root-user-action=ignore --constraint requirements.lock "$@" \
        "$(grep '^torch==' requirements.lock)" \
    && python -W ignore -c "from torch import __version__ as got; wanted = '+$TORCH_BUILD'.replace('cuda', 'cu'); \
exit(None if wanted in got else f'TORCH_BUILD=$TORCH_BUILD, but pip found torch {got}')" \
    && rm -rf "$PACKAGES/torch/include" \
    && find "$PACKAGES/torch/bin" -type f ! -name torch_shm_manager -delete \
    && find "$PACKAGES" -type d \( -name test -o -name tests \) ! -path '*.dist-info/*' -prune -exec rm -r {} +

# z3 brings its library under two names, 29 MB each.
RUN pip install --no-cache-dir --root-user-action=ignore --requirement requirements.lock \
    && pip check \
    && ln -f "$PACKAGES"/z3/lib/libz3.so.* "$PACKAGES/z3/lib/libz3.so" \
    && find "$PACKAGES" -type d \( -name test -o -name tests \) ! -path '*.dist-info/*' -prune -exec rm -r {} +

COPY pyproject.toml README.md LICENSE version run.py ./
COPY bids_eeg2fmri bids_eeg2fmri
RUN pip install --no-cache-dir --root-user-action=ignore --no-deps --editable . \
    && python -m compileall -q --invalidation-mode unchecked-hash . \
    && cp version /version \
    && useradd --uid 1000 --create-home app

# All that can be compiled is: nothing is written beside the code at run time.
ENV PYTHONDONTWRITEBYTECODE=1
USER 1000
WORKDIR /home/app

ARG VERSION=unknown
ARG REVISION=unknown
# Ends up in dataset_description.json, as GeneratedBy.Container.
ARG TAG=bids-eeg2fmri
ENV BIDS_EEG2FMRI_IMAGE="$TAG"
LABEL org.opencontainers.image.title="bids_eeg2fmri" \
      org.opencontainers.image.description="BIDS app that learns to synthesise fMRI from simultaneous EEG" \
      org.opencontainers.image.authors="The bids_eeg2fmri developers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-bookworm"

ENTRYPOINT ["python", "/opt/bids_eeg2fmri/run.py"]
