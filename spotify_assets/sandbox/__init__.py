"""A stand-in for the Spotify Web API, ReccoBeats and Deezer: a real HTTP server on the user's own machine.

It needs no key, answers with the field sets, limits and errors of the real services, and can be told to
misbehave. Nothing in here knows the rest of the project, and nothing of it is used when real credentials are.
"""
