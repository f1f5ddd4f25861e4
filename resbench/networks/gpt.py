"""A GPT-2-style language model of characters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from resbench.errors import BadValue, refuse_below_one


class CharGPT(nn.Module):
    """GPT-2-style character model; by default 6 layers, 6 heads, 384 wide, context 256 (10.65 M parameters).

    ``x <- x + attn(ln(x))``, ``x <- x + mlp(ln(x))`` in each block, with causal attention, GELU and no biases. Every
    product except the last is a plain linear layer, so the blocks can be analog: ``blocks.*.attn.qkv``,
    ``blocks.*.attn.proj``, ``blocks.*.mlp.fc``, ``blocks.*.mlp.proj``, or ``blocks`` for all of them. The output
    product shares its weight with the embedding of the characters and stays digital. There is no dropout.

    Args:
        vocabulary: number of different characters, 65 for tiny Shakespeare.
        context: largest number of characters that the model sees.
        layers: number of blocks.
        heads: attention heads; they share the width evenly.
        width: number of values that represent one character.

    Shapes:
        input int64 ``[n, t]`` with ``t <= context``, output logits ``[n, t, vocabulary]``.

    Raises:
        BadValue: for a size below 1, a width that the heads cannot share, an input longer than the context or with
            characters beyond the vocabulary.

    Source: A. Radford et al., Language models are unsupervised multitask learners, 2019; sizes of nanoGPT's model of
    tiny Shakespeare, which has 10.65 M parameters without the 98,304 of the positions.
    """

    def __init__(
        self, vocabulary: int = 65, context: int = 256, layers: int = 6, heads: int = 6, width: int = 384
    ) -> None:
        super().__init__()
        refuse_below_one(vocabulary=vocabulary, context=context, layers=layers, heads=heads, width=width)
        if width % heads:
            raise BadValue("width", width, f"cannot be shared by {heads} heads; write a multiple of heads")
        self.context = context
        self.characters = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.ln = nn.LayerNorm(width, bias=False)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                # Layers that add to the residual path get smaller weights, so its variance does not grow with depth.
                depth = 2 * layers if name.endswith(".proj") else 1
                nn.init.normal_(module.weight, std=0.02 / math.sqrt(depth))

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of the next character at each position, ``[n, t, vocabulary]``."""
        length = characters.shape[1]
        if length > self.context:
            raise BadValue("context", self.context, f"is less than the {length} characters of the input; write more")
        known, highest = self.characters.num_embeddings, int(characters.max())
        if highest >= known:
            hint = f"is too few for character number {highest}; write {highest + 1} or more"
            raise BadValue("vocabulary", known, hint)
        x: Tensor = self.characters(characters) + self.positions(torch.arange(length, device=characters.device))
        for block in self.blocks:
            x = block(x)
        return linear(self.ln(x), self.characters.weight)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width, bias=False)
        self.attn = _Attention(width, heads)
        self.ln2 = nn.LayerNorm(width, bias=False)
        self.mlp = _Perceptron(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        y: Tensor = x + self.mlp(self.ln2(x))
        return y


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # [n, t, 3 width] -> three times [n, heads, t, width / heads]
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value, is_causal=True)
        y: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return y


class _Perceptron(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, 4 * width, bias=False)
        self.proj = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.proj(gelu(self.fc(x)))
        return y
