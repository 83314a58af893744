"""Explanations as figures, sentences and files: results in, pixels, matplotlib figures and text out.

Read in this order: `style` (all colours), `axes` (what all figures share), `tiles` (a map drawn on the face), `panel`
(the tiles of a face in one figure), `photos` (the photo with its faces), `head_figures`, `fusion_figures`,
`class_figures`, `faithfulness_figures`, `evaluation_figures` (a result in, a figure out), `sentences` (results in
words), `figure_views` and `faithfulness_views` (each view: title, sentence, figure and note), `svg` (a figure inside a
page), `report` (an explanation as JSON, NPZ and PNG), `archive` (the explanations of many images in one folder),
`faithfulness_table` (measurements over many faces), `film_figures` and `film_video` (a film over time, and with maps
over it), `glossary`, `tour`, `worksheet` (what teaches), `notebook` (what a notebook shows).
"""
