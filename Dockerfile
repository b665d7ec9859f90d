# The gateway as an image: compiled JavaScript, production dependencies, and a user without rights.
# Configuration is mounted at /etc/portcullis; the SQLite store and its pepper, if used, live in /var/lib/portcullis.

FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The install scripts would fetch a Node of their own; the image has one.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM build AS production
RUN npm prune --omit=dev --ignore-scripts

FROM node:26-slim
# Memory: one pool of the C library for all threads, as those of each would keep tens of megabytes that nobody uses,
# and what is free at its end is given back.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=1 \
    MALLOC_TRIM_THRESHOLD_=1048576 \
    PORTCULLIS_CONFIG=/etc/portcullis/portcullis.yaml
WORKDIR /app
COPY --from=production /app/node_modules ./node_modules
COPY --from=production /app/dist ./dist
COPY package.json LICENSE ./
COPY config/portcullis.schema.json ./config/
RUN ln -s /app/dist/main.js /usr/local/bin/portcullis \
    && install -d -o node -g node -m 0700 /var/lib/portcullis
WORKDIR /var/lib/portcullis
VOLUME /var/lib/portcullis
# `node` of the base image, by number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:9464/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve"]
