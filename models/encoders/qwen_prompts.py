"""Item content → the token ids, masks and pixels that a Qwen vision-language model reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from models.encoders.base import ItemContent
from models.encoders.images import open_image
from models.errors import EncoderError

VISION_START, IMAGE, VISION_END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"
SPECIAL = ("<|im_start|>", "<|im_end|>", VISION_START, VISION_END, IMAGE)
NEVER_IN_TEXT = (*SPECIAL, "<|video_pad|>", "<|endoftext|>")


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids of an item, one placeholder standing for its image, and the image."""

    ids: list[int]
    image: Path | None
    image_tokens: int

    @property
    def num_tokens(self) -> int:
        """Tokens once the image's placeholder is repeated; an upper bound."""
        return len(self.ids) + self.image_tokens


class QwenPrompts:
    """Makes prompts and batches of them.

    Args:
        tokenizer: With Qwen's special tokens and chat template.
        image_processor: Of the PIL backend.
        instruction: System message.
        max_length: Tokens of an item's text.
    """

    def __init__(
        self, tokenizer: Any, image_processor: Any, instruction: str, max_length: int
    ) -> None:
        self._tokenizer, self._processor = tokenizer, image_processor
        self._instruction, self._max_length = instruction, max_length
        self._image_id = int(tokenizer.convert_tokens_to_ids(IMAGE))

    @classmethod
    def load(cls, folder: Path, instruction: str, max_length: int, pixels: tuple[int, int]) -> Self:
        """Return the prompts of the model in ``folder``, images within ``pixels`` (least, most).

        Raises:
            EncoderError: the tokenizer lacks a special token or the chat template.
        """
        from transformers import AutoImageProcessor, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        missing = [token for token in SPECIAL if token not in tokenizer.get_vocab()]
        if missing or not tokenizer.chat_template:
            raise EncoderError(
                f"The tokenizer lacks {', '.join(missing) or 'the chat template'}.",
                where=str(folder),
                allowed="special tokens " + " ".join(SPECIAL) + " and a chat template",
                do="Download the model's tokenizer files again.",
            )
        processor = AutoImageProcessor.from_pretrained(
            folder,
            local_files_only=True,
            backend="pil",
            size={"shortest_edge": pixels[0], "longest_edge": pixels[1]},
        )
        return cls(tokenizer, processor, instruction, max_length)

    def prompt(self, item: ItemContent) -> Prompt:
        """Return the prompt of an item, its text cut to the greatest length."""
        text_ids = self._tokenizer(item.text, add_special_tokens=False)["input_ids"]
        text = item.text
        if len(text_ids) > self._max_length:
            text = self._tokenizer.decode(text_ids[: self._max_length])
        content = [{"type": "text", "text": _plain(text)}] if text else []
        if item.image is not None:
            content.insert(0, {"type": "image", "image": str(item.image)})
        conversation = [
            {"role": "system", "content": [{"type": "text", "text": self._instruction}]},
            {"role": "user", "content": content},
        ]
        rendered = self._tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=True
        )
        ids = self._tokenizer(rendered, add_special_tokens=False)["input_ids"]
        return Prompt(ids=ids, image=item.image, image_tokens=self._most_image_tokens(item))

    def inputs(self, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
        """Return what the model is called with, padded on the right."""
        images = [open_image(prompt.image) for prompt in prompts if prompt.image is not None]
        vision: dict[str, Tensor] = {}
        counts: list[int] = []
        if images:
            vision = dict(self._processor(images=images, return_tensors="pt"))
            counts = (vision["image_grid_thw"].prod(1) // self._processor.merge_size**2).tolist()
        remaining = iter(counts)
        rows = [
            self._expand(prompt.ids, next(remaining)) if prompt.image is not None else prompt.ids
            for prompt in prompts
        ]
        longest = max(len(row) for row in rows)
        padding = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [padding] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "mm_token_type_ids": ((ids == self._image_id) & (mask == 1)).int(),
            **vision,
        }

    def _expand(self, ids: list[int], tokens: int) -> list[int]:
        """Return the ids with the image's one placeholder repeated ``tokens`` times."""
        place = ids.index(self._image_id)
        return ids[:place] + [self._image_id] * tokens + ids[place + 1 :]

    def _most_image_tokens(self, item: ItemContent) -> int:
        if item.image is None:
            return 0
        side = self._processor.patch_size * self._processor.merge_size
        return -(-int(self._processor.size["longest_edge"]) // side**2)


def _plain(text: str) -> str:
    """Return the text without the special tokens an item could smuggle into the prompt."""
    for token in NEVER_IN_TEXT:
        text = text.replace(token, " ")
    return text
