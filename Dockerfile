# One image for every service: the binary is the same, the command differs.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
# The final stage has no zlib of its own, so it is linked in.
ENV LIBZ_SYS_STATIC=1
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package naru --features kafka-tls \
    && cp target/release/naru /naru \
    && mkdir -p /data/spool /data/keys

# glibc, libgcc and the certificates of public authorities; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /naru /usr/local/bin/naru
# A library that is missing here ends the build instead of the first start.
RUN ["/usr/local/bin/naru", "--version"]
COPY --from=build --chown=nonroot:nonroot /data /var/lib/naru
ENV NARU_CONFIG=/etc/naru/naru.toml \
    NARU_INGRESS__LISTEN=0.0.0.0:8080 \
    NARU_ADMIN__LISTEN=0.0.0.0:9090 \
    NARU_INSTANCE__DATA_DIR=/var/lib/naru \
    NARU_INGRESS__SPOOL__DIR=/var/lib/naru/spool
USER nonroot
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/naru"]
CMD ["--help"]
