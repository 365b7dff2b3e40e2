# One image for every process of docker-compose.yml: the pipeline at the versions of requirements.lock.
FROM python:3.11.11-slim-bookworm

# libgomp1: LightGBM's threads.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home nightshift \
    && install --directory --owner nightshift --mode 0700 /data

WORKDIR /opt/nightshift
RUN pip install --no-cache-dir uv==0.13.9
COPY . .
RUN uv pip install --system --no-cache --compile-bytecode --constraints requirements.lock --editable .

USER nightshift
ENV NIGHTSHIFT_HOME=/data AIRFLOW_HOME=/data/airflow
VOLUME /data
