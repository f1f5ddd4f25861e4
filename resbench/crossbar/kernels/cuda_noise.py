# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Random numbers of the rows of a product on the GPU, in Triton: one launch for what torch takes a hundred for."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from resbench.crossbar.kernels.cuda_functions import cos_of_turns, log, pieces, sin_of_turns
from resbench.crossbar.randomness import signed

#: Counters of one program.
BLOCK = 128


@triton.jit
def uniform(word):
    """A word as float32 in (0, 1]."""
    return (word.to(tl.int64) + 1).to(tl.float32) * 2.3283064365386963e-10


@triton.jit(do_not_specialize=["key", "blocks", "read"])
def draw(out, rows, key, blocks, read, NORMAL: tl.constexpr, BLOCK: tl.constexpr):
    """Four numbers of each counter (block, read, row); grid: rows, parts of their counters.

    Args:
        out: float32 ``[n, 4, blocks]``; filled.
        rows: int64 ``[n]``, numbers of the rows.
        key: key of the stream.
        blocks: counters of a row.
        read: twice the attempt, and 1 for a second read.
        NORMAL: standard normals instead of uniforms.
        BLOCK: counters of one program.
    """
    nth = tl.program_id(0).to(tl.int64)
    row = tl.load(rows + nth)
    block = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    w0, w1, w2, w3 = tl.philox(key, block, read, row.to(tl.int32), (row >> 32).to(tl.int32))
    u0, u1, u2, u3 = uniform(w0), uniform(w1), uniform(w2), uniform(w3)
    if NORMAL:
        r0, r1 = tl.sqrt_rn(log(u0) * -2.0), tl.sqrt_rn(log(u1) * -2.0)
        t0, t1 = u2, u3
        u0, u1, u2, u3 = r0 * cos_of_turns(t0), r1 * cos_of_turns(t1), r0 * sin_of_turns(t0), r1 * sin_of_turns(t1)
    out += nth * 4 * blocks + block
    tl.store(out, u0, mask=block < blocks)
    tl.store(out + blocks, u1, mask=block < blocks)
    tl.store(out + 2 * blocks, u2, mask=block < blocks)
    tl.store(out + 3 * blocks, u3, mask=block < blocks)


def row_numbers(key: int, blocks: int, read: int, rows: Tensor, normal: bool) -> Tensor:
    """Uniforms in (0, 1], or standard normals, float32 ``[n, 4, blocks]``.

    Args:
        key: key of the stream.
        blocks: counters of each row.
        read: twice the attempt, and 1 for a second read.
        rows: int64 ``[n]``, numbers of the rows.
        normal: whether they are normals.
    """
    out = torch.empty(rows.numel(), 4, blocks, device=rows.device)
    with torch.cuda.device_of(rows):
        draw[rows.numel(), pieces(blocks, BLOCK)](
            *(out, rows.contiguous(), signed(key), blocks, read),
            NORMAL=normal,
            BLOCK=BLOCK,
            num_warps=1,
            enable_fp_fusion=False,
        )
    return out
