"""The rival: four halves as a good engineer would write them who has no mapping language.

Chat requests are read, Claude ones written; Claude answers are read, chat ones written; of streams
the same in both directions, for text and calls. They take all that the mappings take and give the
same, losses included, on every recorded document and every case of the project's own (``python
benchmarks/equal.py``), so that a ratio against them says what the language costs, and nothing else.

``ctx`` is what both sides are told of a translation (models, formats, limits, options). Functions
on texts (ids, signatures, data URLs) and the rewriting of JSON Schemas are the project's own, as in
the mappings. Losses are noted as a word each, in a list that serving code only looks at for being
empty.
"""
