FROM python:3.11-slim-bookworm

# pip reads this variable. Name the package index of torch's CPU builds, or of another CUDA version, to
# get that build of the locked torch; without it, pip takes the build that its own settings lead to.
ARG PIP_EXTRA_INDEX_URL

ENV PYTHONUNBUFFERED=1 \
    PYTHONNOUSERSITE=1 \
    MPLBACKEND=Agg

# Changes seldom and is large, so it is a layer of its own.
COPY requirements.lock /opt/bids_eeg2fmri/
RUN pip install --no-cache-dir --requirement /opt/bids_eeg2fmri/requirements.lock

COPY pyproject.toml README.md LICENSE version run.py /opt/bids_eeg2fmri/
COPY bids_eeg2fmri /opt/bids_eeg2fmri/bids_eeg2fmri
RUN pip install --no-cache-dir --no-deps --editable /opt/bids_eeg2fmri \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/bids_eeg2fmri \
    && cp /opt/bids_eeg2fmri/version /version \
    && useradd --create-home app

# Whatever could be compiled is: nothing is written beside the code at run time.
ENV PYTHONDONTWRITEBYTECODE=1
USER app
WORKDIR /home/app

ARG VERSION=unknown
LABEL org.opencontainers.image.title="bids_eeg2fmri" \
      org.opencontainers.image.description="BIDS app that learns to synthesise fMRI from simultaneous EEG" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

ENTRYPOINT ["python", "/opt/bids_eeg2fmri/run.py"]
