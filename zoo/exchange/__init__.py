"""Models coming and going: files of other tools, exports, cards, and the Hugging Face hub."""
