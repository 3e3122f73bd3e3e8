# The proxy and the core: one build for both, and an image for each with nothing in it but what runs.
#
#   docker build --target proxy --tag igny8-proxy .
#   docker build --target core --tag igny8-core .
#
# Base images are arguments, so that a release can name them by digest: RUST_IMAGE=rust@sha256:… (docs/deploy.md).
ARG RUST_IMAGE=rust:1.95.0-bookworm
ARG RUN_IMAGE=debian:bookworm-slim

# --- Dependencies: a layer that only a manifest or the lock file makes anew --------------------------------------------
FROM ${RUST_IMAGE} AS dependencies
# What libz-ng is built with.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# `fat` is what config and figures speak of; `thin` builds in a fraction of the time.
ARG LTO=fat
# The image's own toolchain, and nothing that has to be fetched first; no symbols in what ships.
ENV CARGO_PROFILE_RELEASE_LTO=${LTO} CARGO_PROFILE_RELEASE_STRIP=symbols CARGO_TARGET_DIR=/target CARGO_TERM_COLOR=never
COPY Cargo.toml Cargo.lock ./
COPY contract/Cargo.toml contract/
COPY core/Cargo.toml core/
COPY proxy/Cargo.toml proxy/
COPY testkit/Cargo.toml testkit/
# Empty crates in the place of ours. What is built of them is removed at once: cargo goes by the age of files, and could
# take it for a build of the sources, which are older than this layer.
RUN mkdir -p contract/src core/src core/benches proxy/src testkit/src testkit/benches/peers \
    && touch contract/src/lib.rs core/src/lib.rs proxy/src/lib.rs testkit/src/lib.rs core/benches/debits.rs testkit/benches/peers/main.rs \
    && echo 'fn main() {}' | tee core/src/main.rs >proxy/src/main.rs \
    && cargo build --release --locked --package igny8-core --package igny8-proxy \
    && cargo clean --release --package igny8-contract --package igny8-core --package igny8-proxy

# --- Both binaries ----------------------------------------------------------------------------------------------------
FROM dependencies AS build
COPY migrations migrations
COPY config/plans.toml config/plans.toml
COPY contract/src contract/src
COPY core/src core/src
COPY proxy/src proxy/src
RUN cargo build --release --locked --bins --package igny8-core --package igny8-proxy

# --- What runs --------------------------------------------------------------------------------------------------------
# Of the distribution nothing but what our programs and scripts load: no package manager, no network tools.
FROM ${RUN_IMAGE} AS floor
COPY --from=build /target/release/igny8-core /target/release/igny8-proxy /programs/
RUN mkdir -p /floor/tmp \
    && cp --parents --dereference /bin/bash /bin/tar /usr/bin/install \
        $(ldd /bin/bash /bin/tar /usr/bin/install /programs/* | grep -o '/lib[^ ]*' | sort --unique) /floor

FROM scratch AS run
COPY --from=floor /floor /
# Whose certificates are believed: of mail servers and of other issuers.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
SHELL ["/bin/bash", "-c"]
# The one place that is written to, and only where a volume lies on it.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /igny8/var
WORKDIR /igny8
USER 10001:10001

FROM run AS proxy
COPY config/proxy.toml config/limits.toml config/
COPY --from=build /target/release/igny8-proxy /usr/local/bin/igny8-proxy
COPY containers/proxy-health /usr/local/bin/health
EXPOSE 8080
ENTRYPOINT ["igny8-proxy", "--log-format", "json"]
CMD ["serve"]

FROM run AS core
COPY config/core.toml config/plans.toml config/
COPY --from=build /target/release/igny8-core /usr/local/bin/igny8-core
COPY containers/core-health /usr/local/bin/health
COPY containers/core-start /usr/local/bin/core-start
EXPOSE 8082 8083
ENTRYPOINT ["core-start"]
CMD ["serve"]
