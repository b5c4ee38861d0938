"""The rival: the measured conversions as a good engineer would write them, each in one step.

Results are those of the compiled mappings for the measured documents and their neighbourhood, and
losses are found the same way: a set comparison an object. What occurs in no measured document and
its like (server tools, citations, audio, cache marks beyond four, results that come twice,
interleaved calls) is left out, which makes the rival faster.
"""
