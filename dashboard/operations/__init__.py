"""Operations on many jobs: how each sort is carried out, and who carries them out.

Services plan them and begin them; here they run, in whichever process has them.
"""
