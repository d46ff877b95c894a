# Run it with a read-only root file system; the volume is the one place that is written:
#
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     --volume protocolpoort:/var/lib/protocolpoort --publish 8000:8000 \
#     --env-file settings.env protocolpoort
#
# `docker run ... protocolpoort db upgrade` makes or upgrades the database first. Settings, and
# where keys and issuers stand, come from the environment: the image holds none, so it is in
# production mode and says what is missing.

FROM python:3.11-slim AS builder

# Wheels only: nothing is compiled, and no set-up code of a package is run.
COPY requirements.lock /build/
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes \
      --only-binary :all: --requirement /build/requirements.lock

WORKDIR /srv/protocolpoort
COPY LICENSE ./
COPY app app/
COPY migrations migrations/
COPY openapi openapi/
COPY protocols protocols/
# Read by everybody and written by nobody, whatever the umask was where this was checked out.
# The default settings keep their files in `var`.
RUN python -m compileall -q --invalidation-mode unchecked-hash app migrations \
 && chmod -R a=rX . \
 && ln -s /var/lib/protocolpoort var

FROM python:3.11-slim

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1

COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/protocolpoort /srv/protocolpoort
RUN install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/protocolpoort

WORKDIR /srv/protocolpoort
USER 10001:10001
VOLUME /var/lib/protocolpoort
EXPOSE 8000

# No proxy of the environment may stand between the check and the service.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/health', timeout=4)"]

ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve", "--host", "0.0.0.0"]
