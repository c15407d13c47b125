"""Attention sinks: an LLM token stream that never ends, in constant memory. Useful alone; knows no audio
and no captions.
"""
