"""What people see in a browser: the page, sample photos, and a conversion's report as a page.

May import: no other room.
"""
