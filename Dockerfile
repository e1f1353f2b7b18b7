# Countersign as an image: no shell, no package manager, no root. docs/deploy.md has the review list that this file is held to.
#
# A tag can be moved, a digest cannot. To pin the two images below, ask for their digests
#   docker buildx imagetools inspect node:24.21.0-bookworm-slim
#   docker buildx imagetools inspect gcr.io/distroless/cc-debian12:nonroot
# and build with --build-arg NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:… --build-arg RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:…
ARG NODE_IMAGE=node:24.21.0-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The lock file says what every package hashes to; none of them may run anything.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The Node.js that comes with the package is for machines that have an older one.
RUN npm ci --ignore-scripts --omit=dev && rm -rf node_modules/node-linux-* node_modules/.bin /tmp/*
# An empty folder, to give /data to the user that the image runs as.
RUN mkdir /empty

FROM ${RUNTIME_IMAGE}
ENV NODE_ENV=production \
    COUNTERSIGN_HOST=0.0.0.0
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=dependencies --chown=65532:65532 --chmod=0700 /empty /data
COPY --from=dependencies /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
COPY package.json LICENSE README.md CHANGELOG.md SECURITY.md /app/
COPY bin /app/bin
COPY docs /app/docs
COPY views /app/views
COPY deploy/docker/healthcheck.js /app/healthcheck.js
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
# What the first start makes, where nothing else is configured, goes to /data/var.
WORKDIR /data
VOLUME ["/data"]
EXPOSE 4444
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/usr/local/bin/node", "/app/healthcheck.js"]
ENTRYPOINT ["/usr/local/bin/node", "/app/bin/countersign.js"]
CMD ["start"]
