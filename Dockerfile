# resbench for the CPU and, with `docker run --gpus all`, for CUDA: torch as the package index gives it.
#   docker build --tag resbench .
#   docker run --rm --volume "$PWD:/work" resbench fit --config digits_4bit_residual.yaml
FROM python:3.11-slim-bookworm

WORKDIR /resbench
COPY constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt torch torchvision
COPY pyproject.toml README.md LICENSE ./
COPY resbench resbench
COPY configs configs
RUN pip install --no-cache-dir -c constraints.txt . && useradd --create-home --uid 1000 user \
    && mkdir /work && chown user /work
# Kernels are compiled at the first training, for the processor at hand, and kept for as long as the container lives.
USER user
WORKDIR /work
ENTRYPOINT ["resbench"]
CMD ["--help"]
