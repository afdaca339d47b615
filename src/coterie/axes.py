"""The axis words that every tensor annotation of coterie is written with."""

AXES = {
    "batch": "samples of one forward pass",
    "seq": "positions of a sample",
    "tokens": "all rows of a call, batch axes flattened into one",
    "units": "what is routed: tokens, or samples where one decision serves a sample",
    "rows": "leading axis of a call inside a tower: images, tiles or packed patches",
    "width": "features a layer reads",
    "pooled": "features a sample's prompt is averaged to",
    "decided": "what a decision is for: tokens, samples, or everybody at once",
    "out": "features a layer writes",
    "hidden": "features between the two linear maps of an MLP",
    "experts": "routed experts of one mixture",
    "segments": "routed experts and the always-on expert, where there is one",
    "rank": "sum of the ranks of all low-rank experts of a layer",
    "slots": "pairs of a token and an expert that was chosen for it",
    "chosen": "experts chosen for one token",
    "heads": "attention heads",
    "head": "features of one attention head",
    "tasks": "tasks of the experiment",
    "modalities": "kinds of token: text, image, video, audio",
}
