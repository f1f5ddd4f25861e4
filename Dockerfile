# resbench for the CPU. For CUDA: docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#   docker build --tag resbench .
#   docker run --rm --volume "$PWD:/work" resbench fit --config digits_4bit_residual.yaml
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /resbench
COPY constraints.txt ./
# The builds of torch and torchvision decide between CPU and CUDA; all other packages come from the usual index.
RUN pip install --no-cache-dir -c constraints.txt --index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple \
    torch torchvision
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
