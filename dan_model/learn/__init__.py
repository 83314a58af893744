"""Training and evaluation of DAN: datasets, the training objective, training, metrics, reference statistics.

Read in this order: `datasets` and `layouts` (a folder -> `face_set`: images and targets), `sources` (where the pixels
of an image are), `batches` (images -> batches of pixels) and `unreadable` (those that are left out), `moves` (turned,
scaled and shifted pictures and maps), `augmentation`, `recipes` (the settings of a training), `objective` (network and
losses -> one number), `training`, `evaluation` (accuracy, confusion, calibration), `head_report` (how the heads differ
and what each contributes), `map_report` (whether their maps react to the face), `reference_statistics` (what one face
is compared with). The losses of the paper are in `dan_model.losses`.
"""
