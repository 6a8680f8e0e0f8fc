"""Our own names: every unit of every family, its kind and its shape.

A unit is a dense layer, a norm or a table; a configuration has the rows it has a use for. `{block}`
stands for a name of `EncoderConfig.block_names`.

Shape letters: V vocabulary, P positions, S segments, E embedding width, D width, I inner width,
K labels.
"""

# unit | kind | shape. A dense kernel is (in, out).
_UNITS = """
embeddings/token             table      V,E
embeddings/position          table      P,E
embeddings/segment           table      S,E
embeddings/norm              norm       E
embeddings/projection        dense      E,D
{block}/attention/query      heads_in   D,D
{block}/attention/key        heads_in   D,D
{block}/attention/value      heads_in   D,D
{block}/attention/output     heads_out  D,D
{block}/attention/norm       norm       D
{block}/ffn/intermediate     dense      D,I
{block}/ffn/output           dense      I,D
{block}/ffn/norm             norm       D
pooler                       dense      D,D
mlm/transform                dense      D,E
mlm/norm                     norm       E
mlm/bias                     vector     V
nsp                          logits     D,2
sop                          logits     D,2
rtd/dense                    dense      D,D
rtd/logits                   dense      D,1
pre_classifier               dense      D,D
classifier                   logits     D,K
token_classifier             logits     D,K
span                         logits     D,2
"""
UNITS: dict[str, tuple[str, str]] = {
    unit: (kind, shape)
    for unit, kind, shape in (line.split() for line in _UNITS.split("\n") if line)
}
SIZES = {
    "V": "vocab_size",
    "P": "max_position_embeddings",
    "S": "type_vocab_size",
    "E": "embedding_width",
    "D": "hidden_size",
    "I": "intermediate_size",
}
PARTS = {
    "table": ("",),
    "vector": ("",),
    "norm": ("gamma", "beta"),
    "dense": ("kernel", "bias"),
    "heads_in": ("kernel", "bias"),  # a dense layer onto the heads, side by side
    "heads_out": ("kernel", "bias"),  # and from them
    "logits": ("kernel", "bias"),  # a dense layer onto classes; Google stores these transposed
}
