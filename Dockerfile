# The image holds one static program and nothing else.
#
#   docker build --tag renater/simplescalevm:openstack-4.0.0 .
#   docker run --env-file .env --publish 8000:8000 renater/simplescalevm:openstack-4.0.0

FROM rust:1-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN tools/static.sh /target

FROM scratch
ARG VERSION=
LABEL org.opencontainers.image.title="SimpleScaleVM" \
      org.opencontainers.image.description="Keeps a pool of OpenStack VMs large enough that a set number of free slots is available at all times" \
      org.opencontainers.image.source="https://github.com/Renater/SimpleScaleVM" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# The certificate authorities (webpki-roots) are in the program; OS_CACERT, REPLICA_API_CA_FILE and SSL_CERT_FILE name others.
COPY --from=build /target/static/simplescalevm /simplescalevm
USER 65534:65534
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/simplescalevm", "healthcheck"]
ENTRYPOINT ["/simplescalevm"]
