"""The WordPiece tokens ImageReward and CycleReward read, from a `vocab.txt` of bert-base-uncased.

Built on `tokenizers`, not on `transformers.BertTokenizer`: the latter's arguments changed in transformers 5,
where the old ones silently give a vocabulary of five tokens.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

# BLIP appends [DEC] and [ENC] to the vocabulary; neither occurs in the input of its rewards.
_APPENDED_TOKENS = 2
_HUB_NAMES = ("bert-base-uncased", "google-bert/bert-base-uncased")


class BertTokens:
    """Callable: B prompts to token ids and mask, both (B, length) int64: [CLS] ... [SEP] [PAD] ...

    Args:
        vocabulary: `vocab.txt`.
        embedding_rows: of the checkpoint's token table.
        length: to which prompts are cut and padded.

    Raises:
        ValueError: it is not the vocabulary of the checkpoint.
    """

    def __init__(self, vocabulary: Path, embedding_rows: int, length: int):
        # tokenizers comes with transformers; imported here with the only rewards that need it.
        from tokenizers import BertWordPieceTokenizer

        with open(vocabulary, encoding="utf-8") as lines:
            words = [line.rstrip("\n") for line in lines]
        missing = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if token not in words]
        if missing or embedding_rows not in (len(words), len(words) + _APPENDED_TOKENS):
            raise ValueError(
                f"{vocabulary} holds {len(words)} tokens{' without ' * bool(missing)}{', '.join(missing)}, "
                f"but the checkpoint was trained with {embedding_rows - _APPENDED_TOKENS}. Use vocab.txt of "
                "bert-base-uncased."
            )
        self._tokenizer = BertWordPieceTokenizer({word: index for index, word in enumerate(words)}, lowercase=True)
        self._tokenizer.enable_truncation(length)
        self._tokenizer.enable_padding(length=length, pad_id=words.index("[PAD]"))

    def __call__(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        encodings = self._tokenizer.encode_batch(prompts)
        return (
            torch.tensor([encoding.ids for encoding in encodings]),
            torch.tensor([encoding.attention_mask for encoding in encodings]),
        )


def find_vocabulary(checkpoint_path: Path, reward: str) -> Path:
    """`vocab.txt` beside the checkpoint, else in the Hugging Face cache of this machine (never the network).

    Args:
        checkpoint_path: of the reward.
        reward: its name, for the message.

    Raises:
        ValueError: neither exists; says where to put the file.
    """
    beside = checkpoint_path.with_name("vocab.txt")
    if beside.is_file():
        return beside
    from huggingface_hub import try_to_load_from_cache

    for name in _HUB_NAMES:
        cached = try_to_load_from_cache(name, "vocab.txt")
        if isinstance(cached, str):
            return Path(cached)
    raise ValueError(
        f"{reward} reads prompts with the vocabulary of bert-base-uncased, which is not on this machine. "
        f"Download vocab.txt of google-bert/bert-base-uncased and put it at {beside}."
    )
