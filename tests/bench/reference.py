"""Times sentence-transformers on a text of one passage a line; prints one JSON line like bench-engines.

The model's folder is $IO_MODEL_DIR. Best of three rounds after a warm-up, batch size 32 (the library's default).
"""

import json
import os
import sys
import time

from sentence_transformers import SentenceTransformer, models

passages = [line for line in open(sys.argv[1], encoding="utf-8").read().splitlines() if line.strip()]
word = models.Transformer(os.environ["IO_MODEL_DIR"], max_seq_length=256)
pooling = models.Pooling(word.get_word_embedding_dimension(), pooling_mode="mean")
model = SentenceTransformer(modules=[word, pooling, models.Normalize()], device="cpu")
model.encode(passages[:64], show_progress_bar=False)
best = min(
    (lambda start: (model.encode(passages, show_progress_bar=False), time.perf_counter() - start)[1])(time.perf_counter())
    for _ in range(3)
)
print(json.dumps({"name": "reference_passages_per_s", "value": len(passages) / best, "unit": "passages/s"}))
