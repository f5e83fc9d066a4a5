"""Makes reference.safetensors: the embeddings of passages.txt by sentence-transformers, which the engine must equal.

    python3 -m venv venv && venv/bin/pip install sentence-transformers==6.2.0
    venv/bin/python make_reference.py [model folder]

The model folder holds the same three files that the engine reads (config.json, tokenizer.json,
model.safetensors; by default the cache of `./x setup`). The pipeline is put together here as the model card
says (256 tokens, mean pooling, unit length), so that nothing but these files goes into it.
"""
import os
import pathlib
import sys

import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

here = pathlib.Path(__file__).parent
default = pathlib.Path.home() / ".cache/io-network/models/all-MiniLM-L6-v2"
model_dir = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("IO_MODEL_DIR", default)

transformer = Transformer(str(model_dir), max_seq_length=256)
model = SentenceTransformer(
    modules=[transformer, Pooling(transformer.get_embedding_dimension(), pooling_mode="mean"), Normalize()],
    device="cpu",
)
passages = (here / "passages.txt").read_text(encoding="utf-8").splitlines()
embeddings = model.encode(passages, batch_size=1, convert_to_numpy=True)
save_file(
    {"embeddings": embeddings},
    here / "reference.safetensors",
    metadata={"torch": torch.__version__, "model": "all-MiniLM-L6-v2"},
)
print(embeddings.shape, embeddings.dtype)
