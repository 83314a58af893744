"""How each dataset lies on a disk: a loader for each, from a folder to the images and their classes.

Read in this order: `folders` (what is where, folders by class), `tables` (lists of any encoding), `held_out` (a part
for validation where there is none), then `ferplus`, `fer2013`, `rafdb`, `affectnet` and `named` (SFEW 2.0 and any other
folder).
"""
