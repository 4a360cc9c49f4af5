"""The page: results of the service in a browser, and what readers say about them.

It reads the journal and the pictures that the service wrote, and decodes no film. docs/page.md says
how to use it.
"""
