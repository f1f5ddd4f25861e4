"""Networks with an LSTM: of characters, and of the rows of an image."""

from __future__ import annotations

from torch import Tensor, nn

from resbench.errors import BadValue, refuse_below_one


class CharLSTM(nn.Module):
    """Character model: an embedding, an LSTM, and a linear layer.

    The LSTM (``lstm``) and the linear layer (``head``) can be analog; the embedding stays digital.

    Args:
        vocabulary: number of different characters, 65 for tiny Shakespeare.
        width: number of values that represent one character.
        hidden: size of the hidden state.
        layers: layers of the LSTM.

    Shapes:
        input int64 ``[n, t]``, output logits ``[n, t, vocabulary]``.

    Raises:
        BadValue: for a size below 1, and an input with characters beyond the vocabulary.

    Source: A. Karpathy, The unreasonable effectiveness of recurrent neural networks, 2015.
    """

    def __init__(self, vocabulary: int = 65, width: int = 64, hidden: int = 128, layers: int = 1) -> None:
        super().__init__()
        refuse_below_one(vocabulary=vocabulary, width=width, hidden=hidden, layers=layers)
        self.characters = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of the next character at each position, ``[n, t, vocabulary]``."""
        known, highest = self.characters.num_embeddings, int(characters.max())
        if highest >= known:
            raise BadValue(
                "vocabulary", known, f"is too few for character number {highest}; write {highest + 1} or more"
            )
        logits: Tensor = self.head(self.lstm(self.characters(characters))[0])
        return logits


class RowLSTM(nn.Module):
    """Classifier that reads an image row by row: an LSTM, and a linear layer behind its last output.

    Args:
        side: height and width of the images.
        hidden: size of the hidden state.
        classes: number of classes.

    Shapes:
        input ``[n, 1, side, side]``, output logits ``[n, classes]``.

    Raises:
        BadValue: for a size below 1.

    Source: the row-by-row task of Q. V. Le et al., A simple way to initialize recurrent networks of rectified linear
    units, 2015, which reads MNIST pixel by pixel.
    """

    def __init__(self, side: int = 8, hidden: int = 32, classes: int = 10) -> None:
        super().__init__()
        refuse_below_one(side=side, hidden=hidden, classes=classes)
        self.lstm = nn.LSTM(side, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[n, classes]``."""
        logits: Tensor = self.fc(self.lstm(images.squeeze(1))[0][:, -1])
        return logits
