# One image for every process of the platform: `docker run … nof0-engine:0.1.0 worker`.
# It embeds no servers: give it DATABASE_URL and the Redis addresses.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: they would only prepare the embedded servers and generate what the next step generates.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY prisma.config.ts ./
COPY prisma prisma
COPY scripts/generate.mjs scripts/
RUN node scripts/generate.mjs

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
# Every process keeps a folder for its run, though nothing in it is needed again.
RUN mkdir /data && chown node:node /data
USER node
EXPOSE 4280
# For the API. Workers and schedulers answer on NOF0_METRICS_PORT; whoever starts them chooses the port and the check.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.NOF0_HTTP_PORT || 4280}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/nof0.mjs"]
CMD ["--help"]
