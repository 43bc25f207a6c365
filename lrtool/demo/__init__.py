"""`lrtool demo`: the whole tool on real digits, one step a file.

data → model → measure → train → search → page; `run` goes through them.
"""
