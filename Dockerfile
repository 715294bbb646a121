# One file for all images: `docker build --build-arg SERVICE=auth .`
# SERVICE is one of the six services, yard-migrate or yard (the broker's agent: `yard broker-agent`). The
# gateway's image holds the console too.
ARG RUST=1.95
ARG NODE=20

FROM rust:${RUST}-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ make cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG SERVICE
RUN cargo build --locked --profile dist --bin ${SERVICE} && cp target/dist/${SERVICE} /service

# The broker with our plugin: `docker build --target broker .`
FROM rust:${RUST}-slim-bookworm AS plugin
WORKDIR /src
COPY . .
RUN cargo build --locked --release --package yard-broker-plugin

FROM debian:bookworm-slim AS broker
RUN apt-get update && apt-get install -y --no-install-recommends mosquitto \
    && rm -rf /var/lib/apt/lists/*
COPY --from=plugin /src/target/release/libyard_broker_plugin.so /usr/lib/yard/broker-plugin.so
USER mosquitto
ENTRYPOINT ["mosquitto", "-c", "/etc/switchyard/broker/mosquitto.conf"]

FROM node:${NODE}-bookworm-slim AS console
WORKDIR /src
COPY services/console .
RUN npm ci --ignore-scripts && npm run build && npm run precompress

FROM gcr.io/distroless/cc-debian12:nonroot AS service
COPY --from=build /service /service
USER 65532:65532
ENTRYPOINT ["/service"]

# `docker build --target api-gateway --build-arg SERVICE=api-gateway .`
FROM service AS api-gateway
COPY --from=console /src/dist /srv/console

FROM service
