FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md ./
COPY cms cms
COPY schema schema
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels copydesk \
    && useradd --system --uid 10001 --home-dir /var/lib/copydesk --create-home copydesk
USER 10001
# Uploaded files, and the embedded database where CMS_DATABASE_URL is not set.
ENV CMS_DATA_DIR=/var/lib/copydesk CMS_HOST=0.0.0.0 CMS_PORT=8000
VOLUME /var/lib/copydesk
EXPOSE 8000
HEALTHCHECK --start-period=30s --interval=10s --timeout=5s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['CMS_PORT'] + '/health')"]
CMD ["cms", "serve"]
