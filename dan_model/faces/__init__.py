"""From an image file to the input of the network: read the image, find the faces, align and crop them, preprocess.

Read in this order: `image_files` (which files are images), `images` (any file or array -> upright RGB; its steps are in
`sources`, `levels`, `colours` and `cut_jpeg`), `film_frames` (a film -> frames), `detection` (photo -> faces), `search`
(image -> photo and faces), `tracking` (faces from frame to frame), `alignment` (face -> square crop, with the way
back), `preprocessing` (crop -> network input).
"""

from dan_model.faces.alignment import (
    FaceCrop,
    average_face,
    crop_face,
    median_template,
    only_face,
    template_face,
)
from dan_model.faces.detection import Face, FaceDetector, whole_image
from dan_model.faces.film_frames import Film, FilmFrame, is_film_file
from dan_model.faces.image_files import image_files, is_image_file, others_note, visible_files
from dan_model.faces.images import ImageLike, Photo, read_image, read_photo
from dan_model.faces.preprocessing import black, normalised, to_detail, to_input, to_pixels, to_tensor
from dan_model.faces.search import find_faces
from dan_model.faces.tracking import People, follow

__all__ = [
    "Face",
    "FaceCrop",
    "FaceDetector",
    "Film",
    "FilmFrame",
    "ImageLike",
    "People",
    "Photo",
    "average_face",
    "black",
    "crop_face",
    "find_faces",
    "follow",
    "image_files",
    "is_film_file",
    "is_image_file",
    "median_template",
    "normalised",
    "only_face",
    "others_note",
    "read_image",
    "read_photo",
    "template_face",
    "to_detail",
    "to_input",
    "to_pixels",
    "to_tensor",
    "visible_files",
    "whole_image",
]
