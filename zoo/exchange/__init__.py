"""Import and export of models: files of other tools, exports, cards, and the Hugging Face hub."""
